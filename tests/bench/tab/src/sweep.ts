/**
 * Runs `bench.html` in Chromium over numbers of examples and lengths of captions.
 *
 * Usage: npm run sweep -- [--only TEXT] [--rounds N] [--output FOLDER] [--docs]
 *
 * `--only` takes the sweeps in whose names the text occurs. `--output` gets the JSON that the page
 * saves and its plots; `--docs` writes tables and plots into `docs/`.
 */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { Conditions } from "../../conditions.js";
import { fillIn } from "../../document.js";
import { markdown } from "../../table.js";
import { type Plot, together } from "./plots.js";
import { inClone, MODELS, type ModelName, NAMES, serveSite, withChromium } from "./site.js";

interface Sweep {
  readonly name: string;
  /** Of the files that are written. */
  readonly file: string;
  readonly device: "cpu" | "webgpu";
  readonly threads: boolean;
  readonly int8: boolean;
  readonly model: ModelName;
  readonly shots: string;
  readonly lengths: string;
  readonly rounds: number;
}

const ON_THREADS: Sweep = {
  name: "sweep, CPU, threads",
  file: "sweep-cpu-threads",
  device: "cpu",
  threads: true,
  int8: false,
  model: "default",
  shots: "0,1,2,4,8,16,32",
  lengths: "8,16,32",
  rounds: 5,
};

const SWEEPS: readonly Sweep[] = [
  ON_THREADS,
  {
    ...ON_THREADS,
    name: "sweep, CPU, threads, int8 activations",
    file: "sweep-cpu-threads-int8",
    int8: true,
    shots: "0,8,32",
    lengths: "16",
  },
  {
    ...ON_THREADS,
    name: "sweep, CPU, one thread",
    file: "sweep-cpu-one-thread",
    threads: false,
    shots: "0,8,32",
    lengths: "16",
  },
  // Where WebGPU is software a token of the default model takes seconds.
  {
    ...ON_THREADS,
    name: "sweep, WebGPU, tiny model",
    file: "sweep-webgpu-tiny",
    device: "webgpu",
    model: "tiny",
    shots: "0,1,2,4,8,16",
    lengths: "8,16",
    rounds: 5,
  },
  {
    ...ON_THREADS,
    name: "sweep, WebGPU",
    file: "sweep-webgpu",
    device: "webgpu",
    shots: "0,1,8",
    lengths: "4",
    rounds: 3,
  },
];

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    rounds: { type: "string" },
    output: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});

await withChromium(async (browser) => {
  for (const sweep of SWEEPS.filter(({ name }) => name.includes(values.only))) {
    const server = await serveSite(sweep.threads);
    const conditions = await Conditions.look(browser.version());
    // A service worker would isolate a page that is not to have threads.
    const context = await browser.newContext({ serviceWorkers: "block" });
    await context.addInitScript(NAMES);
    const page = await context.newPage();
    const rounds = values.rounds ?? `${sweep.rounds}`;
    await page.goto(`${server.origin}/bench.html?${plan(sweep, rounds)}`);
    await page.getByRole("button", { name: "Measure" }).click();
    await page.waitForFunction(
      () => /done|failed/.test(document.querySelector<HTMLElement>(".status")?.dataset.phase ?? ""),
      undefined,
      { timeout: 0 },
    );
    const failure = await page.getByRole("alert").allInnerTexts();
    if (failure.length > 0) throw new Error(`${sweep.name}: ${failure.join(" ")}`);
    const text = `${await tables(page)}\n${conditions.told(`${rounds} rounds`)}\n`;
    console.log(`### ${sweep.name}\n\n${text}`);
    const svg = together(await plots(page));
    if (values.output !== undefined) {
      mkdirSync(values.output, { recursive: true });
      const download = page.waitForEvent("download");
      await page.getByRole("button", { name: "Save as JSON" }).click();
      const report = await (await download).path();
      copyFileSync(report, join(values.output, `${sweep.file}.json`));
      writeFileSync(join(values.output, `${sweep.file}.svg`), svg);
    }
    if (values.docs) {
      const picture = sweep === ON_THREADS ? `![Its plots](${sweep.file}.svg)\n\n` : "";
      if (picture !== "") writeFileSync(inClone(`docs/${sweep.file}.svg`), svg);
      fillIn(sweep.name, picture + text);
    }
    await context.close();
    server.close();
  }
});

function plan(sweep: Sweep, repeats: string): URLSearchParams {
  const { device, shots, lengths, model, int8 } = sweep;
  const fields = { device, shots, lengths, repeats, model: MODELS[model] };
  return new URLSearchParams(int8 ? { ...fields, int8: "on" } : fields);
}

/** The figures and the table that the page shows, as Markdown. */
async function tables(page: Page): Promise<string> {
  const { device, figures, head, rows } = await page.evaluate(() => {
    const texts = (selector: string, within: ParentNode = document) =>
      [...within.querySelectorAll<HTMLElement>(selector)].map(({ innerText }) => innerText.trim());
    return {
      device: texts(".device").join(" "),
      figures: texts("dl.figures dt").map((name, i) => [name, texts("dl.figures dd")[i] ?? ""]),
      head: texts("thead th"),
      rows: [...document.querySelectorAll("tbody tr")].map((row) => texts("td", row)),
    };
  });
  return `${device}\n\n${markdown(["measure", "value"], figures)}\n${markdown(head, rows)}`;
}

async function plots(page: Page): Promise<Plot[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll(".plots figure")].map((figure) => ({
      title: figure.querySelector("figcaption")?.textContent ?? "",
      svg: figure.querySelector("svg")?.innerHTML ?? "",
      series: [...figure.querySelectorAll(".legend li")].map(({ textContent }) => textContent),
    })),
  );
}
