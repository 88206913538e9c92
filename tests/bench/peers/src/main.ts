/**
 * Runs this project and its peers in the same Chromium, in turns.
 *
 * Usage: npm run bench -- --files FOLDER [--rounds N] [--only TEXT] [--engines TEXT] [--json FILE] [--docs]
 *
 * `--only` takes the disciplines, `--engines` the contestants in whose names the text occurs;
 * this project takes part in any case. `--docs` writes the tables into `docs/benchmarks.md`.
 */

import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { build } from "vite";
import { Conditions } from "../../conditions.js";
import { fillIn } from "../../document.js";
import { serve } from "../../server.js";
import { DISCIPLINES } from "./contestants.js";
import { OURS, type Outcome, outcome, table } from "./report.js";
import { run } from "./run.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const { values } = parseArgs({
  options: {
    files: { type: "string" },
    rounds: { type: "string", default: "7" },
    only: { type: "string", default: "" },
    engines: { type: "string", default: "" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});
const { files, only, engines, json, docs } = values;
if (files === undefined) throw new Error("--files must name the folder that `prepare` filled");
const rounds = Number(values.rounds);

const pages = mkdtempSync(join(tmpdir(), "flamingo-peers-"));
await build({
  root: join(ROOT, "page"),
  base: "./",
  logLevel: "error",
  worker: { format: "es" },
  build: { outDir: pages, emptyOutDir: true, target: "esnext", assetsInlineLimit: 0 },
});
const folders = {
  "": pages,
  files,
  ort: join(ROOT, "node_modules/onnxruntime-web/dist"),
  wllama: join(ROOT, "node_modules/@wllama/wllama/esm/wasm"),
};
const plain = await serve(folders, { isolated: false });
const isolated = await serve(folders, { isolated: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    // WebGPU without a GPU.
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-unsafe-swiftshader",
  ],
});
const outcomes: Outcome[] = [];
try {
  for (const whole of DISCIPLINES.filter(({ name }) => name.includes(only))) {
    const discipline = {
      ...whole,
      contestants: whole.contestants.filter(
        ({ name }) => name.startsWith(OURS) || name.includes(engines),
      ),
    };
    const { origin } = discipline.threads > 1 ? isolated : plain;
    const conditions = await Conditions.look(browser.version());
    const results = await run(browser, discipline, `${origin}/index.html`, rounds);
    const measured = outcome(discipline, results, (file) => bytesOf(join(files, file)));
    outcomes.push(measured);
    const text = `${table(measured)}\n${conditions.told(`${rounds} rounds`)}\n`;
    console.log(`### ${discipline.name}\n\n${text}`);
    if (docs) fillIn(discipline.name, text);
  }
} finally {
  if (json !== undefined) {
    writeFileSync(json, JSON.stringify({ chromium: browser.version(), rounds, outcomes }, null, 1));
  }
  await browser.close();
  plain.close();
  isolated.close();
  rmSync(pages, { recursive: true });
}

/** Bytes of a file, or of the shards in a folder. */
function bytesOf(path: string): number {
  if (statSync(path).isFile()) return statSync(path).size;
  return readdirSync(path)
    .filter((name) => name.endsWith(".bin"))
    .reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
}
