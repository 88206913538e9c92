/** The package as npm would publish it: what is in it, its types, its program, its weight. */

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";
import { Folder } from "./packed.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const folder = new Folder();
let files: string[];

test.beforeAll(() => {
  files = folder.install("node_modules/flamingo-web");
});

test.afterAll(() => folder.remove());

const packed = (file: string) =>
  readFileSync(`${folder.path}/node_modules/flamingo-web/${file}`, "utf8");

test("has scripts, types, modules, program, words and licences, and nothing else", () => {
  for (const file of [
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "bin/flamingo-web.js",
    "dist/index.js",
    "dist/index.d.ts",
    "dist/element.js",
    "dist/element.d.ts",
    "dist/worker.js",
    "dist/vendor/comlink.js",
    "wasm/flamingo.js",
    "wasm/flamingo_bg.wasm",
    "wasm-threads/flamingo.js",
    "wasm-threads/flamingo_bg.wasm",
  ]) {
    expect(files).toContain(file);
  }
  const kinds =
    /^(package\.json|README\.md|LICENSE-(APACHE|MIT)|NOTICE|sbom\.cdx\.json|bin\/.*\.js|dist\/.*\.(js|d\.ts)|wasm(-threads)?\/.*\.(js|wasm))$/;
  expect(files.filter((file) => !kinds.test(file))).toEqual([]);
  expect(files.filter((file) => /test|testing|fake/.test(file))).toEqual([]);
  for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
    expect(packed(licence)).toBe(readFileSync(`${ROOT}/${licence}`, "utf8"));
  }
});

test("tells whose work it carries, under which licences", () => {
  const { components } = JSON.parse(packed("sbom.cdx.json"));
  const notice = packed("NOTICE");
  const names: string[] = [];
  for (const { name, version, licenses, purl } of components) {
    expect(notice).toContain(`\n${name} ${version} (${licenses[0].expression}`);
    expect(purl).toMatch(/^pkg:(cargo|npm)\//);
    names.push(name);
  }
  // Of the module on the CPU, of the one on a GPU, of the scripts; and nothing that only builds.
  for (const name of ["burn-flex", "wgpu", "comlink"]) expect(names).toContain(name);
  for (const name of ["syn", "typescript", "flamingo"]) expect(names).not.toContain(name);
});

/** What an adapter adapts to, by the beginning of its files' names. */
const PEERS: Readonly<Record<string, string>> = {
  "dist/react": "react",
  "dist/ai-sdk": "@ai-sdk/provider",
};

test("asks for no other package, but for what an adapter adapts to", () => {
  const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
    packed("package.json"),
  );
  expect(dependencies).toBeUndefined();
  expect(Object.keys(peerDependencies).sort()).toEqual(Object.values(PEERS).sort());
  for (const peer of Object.values(PEERS)) {
    expect(peerDependenciesMeta[peer]).toEqual({ optional: true });
  }
  for (const file of files.filter((file) => /^dist\/(?!node\/).*\.(js|d\.ts)$/.test(file))) {
    const wanted = [...packed(file).matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^"]+)"/gm)];
    const [, peer] = Object.entries(PEERS).find(([name]) => file.startsWith(name)) ?? [];
    for (const [, name = ""] of wanted) {
      if (name !== peer) expect(name, file).toMatch(/^\.\.?\//);
    }
  }
});

test("every way in is there, with its types", () => {
  const { exports } = JSON.parse(packed("package.json"));
  expect(Object.keys(exports)).toEqual([".", "./element", "./react", "./prompt-api", "./ai-sdk"]);
  for (const { types, default: script } of Object.values<Record<string, string>>(exports)) {
    for (const file of [types, script]) expect(files).toContain(file?.replace("./", ""));
  }
});

test("npm would publish it as it is", () => {
  // No registry is asked.
  const options = ["--workspace=web", "--dry-run", "--offline"];
  const { status, stdout, stderr } = spawnSync("npm", ["publish", ...options], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const { name, version } = JSON.parse(packed("package.json"));
  expect([status, stdout.trim()], stderr).toEqual([0, `+ ${name}@${version}`]);
  expect(stderr).not.toMatch(/npm auto-corrected|errors were corrected/);
});

for (const resolution of ["NodeNext", "Bundler"]) {
  test(`its types hold for an embedder, resolved as ${resolution}`, () => {
    writeFileSync(`${folder.path}/package.json`, '{ "type": "module" }');
    writeFileSync(`${folder.path}/embedder.ts`, EMBEDDER);
    for (const peer of ["react", "@types/react", "csstype", "@ai-sdk/provider", "json-schema"]) {
      const place = `${folder.path}/node_modules/${peer}`;
      mkdirSync(dirname(place), { recursive: true });
      if (!existsSync(place)) symlinkSync(`${ROOT}/node_modules/${peer}`, place);
    }
    const options = [
      ...["--strict", "--exactOptionalPropertyTypes", "--noEmit", "--target", "es2022"],
      ...["--pretty", "false"],
      ...["--lib", "es2023,esnext.disposable,dom,dom.iterable,dom.asynciterable"],
      // The embedder's own types only; the libraries' are checked too.
      ...["--types", "", "--skipLibCheck", "false"],
      ...["--module", resolution === "Bundler" ? "esnext" : resolution],
      ...["--moduleResolution", resolution],
    ];
    const tsc = `${ROOT}/node_modules/.bin/tsc`;
    const { stdout } = spawnSync(tsc, [...options, "embedder.ts"], {
      cwd: folder.path,
      encoding: "utf8",
    });
    // The two lines that must fail do, and no other.
    const errors = stdout
      .split("\n")
      // A peer's own types are its own.
      .filter((line) => line.includes("error TS") && !line.includes("node_modules/@ai-sdk/"));
    expect(errors.map((line) => line.replace(/^(embedder\.ts)\((\d+),.*$/, "$1 $2"))).toEqual(
      WRONG_LINES.map((line) => `embedder.ts ${line}`),
    );
  });
}

/** Uses what the README shows, and twice what there is not. */
const EMBEDDER = `
import { AbortedError, type Caption, Flamingo, FlamingoError, framesOf } from "flamingo-web";
import { createFlamingo } from "flamingo-web/ai-sdk";
import { FlamingoCaption } from "flamingo-web/element";
import { install } from "flamingo-web/prompt-api";
import { useCaption, useDecide, useFlamingo } from "flamingo-web/react";

export async function write(photo: File, video: HTMLVideoElement, signal: AbortSignal) {
  const model = await Flamingo.load(new URL("model.json", location.href), {
    device: "cpu", signal, persist: false,
    onProgress: (event) => { if (event.status === "progress") console.log(event.remainingMs ?? 0); },
  });
  const session = model.session({ shots: [{ image: photo, text: "a dog" }, { text: "a cat" }] });
  try {
    for await (const { text, id, logProbability, elapsedMs } of session.caption(photo, { signal })) {
      console.log(text, id + logProbability + elapsedMs);
    }
  } catch (error) {
    if (error instanceof AbortedError) return;
    if (error instanceof FlamingoError && error.code === "out-of-memory") throw error.cause;
  }
  const caption: Caption = await session.caption({ frames: await framesOf(video, { rate: 1 }) }).result;
  const [first] = await session.choose(photo, ["a", "b"], { calibrated: true });
  session.caption(photo, { warmth: 1 });
  session.caption("photo.jpg");
  const element: FlamingoCaption = document.createElement("flamingo-caption");
  element.addEventListener("caption", ({ detail }) => console.log(detail.timings.encodeMs));
  return [caption.text, first?.probability, model.device.reason];
}

export function Caption({ photo }: { photo: File }) {
  const { model, progress } = useFlamingo("model.json", { device: "cpu" });
  const { text, error } = useCaption(model, photo, { shots: [{ text: "a cat" }], topK: 3 });
  const { value } = useDecide<boolean>(model, photo, { type: "boolean" }, { question: "Is it?" });
  return value === true ? text : error?.code ?? progress.toFixed(1);
}

export async function prompt(photo: Blob) {
  const LanguageModel = install({ model: "model.json", template: { caption: "<image>{answer}<|endofchunk|>" } });
  const session = await LanguageModel.create({ expectedInputs: [{ type: "image" }] });
  for await (const text of session.promptStreaming([
    { role: "user", content: [{ type: "image", value: photo }] },
  ])) console.log(text.length);
  return createFlamingo({ device: "cpu" })("model.json").modelId;
}
`;

const WRONG_LINES = EMBEDDER.split("\n").flatMap((line, i) =>
  /warmth:|"photo\.jpg"/.test(line) ? [i + 1] : [],
);

test("every member that an embedder sees says what it is", () => {
  const undocumented: string[] = [];
  for (const file of [
    "types",
    "flamingo",
    "session",
    "support-set",
    "frames-of",
    "caption-stream",
    "react/flamingo",
    "react/caption",
    "react/live-caption",
    "react/decide",
    "prompt-api",
    "prompt-api/options",
    "prompt-api/messages",
    "prompt-api/session",
    "dialogue/template",
    "ai-sdk",
  ]) {
    const lines = packed(`dist/${file}.d.ts`).split("\n");
    let declaration = "";
    for (const [i, line] of lines.entries()) {
      declaration = /^export (?:declare )?(\w+)/.exec(line)?.[1] ?? declaration;
      const name = /^ {4}(?:static |readonly |get )*([a-z]\w*)[?(<:]/.exec(line)?.[1];
      // The cases of a union are told apart by what is said of the union.
      if (name === undefined || !["interface", "class"].includes(declaration)) continue;
      if (!lines[i - 1]?.endsWith("*/")) undocumented.push(`${file}: ${line.trim()}`);
    }
  }
  expect(undocumented).toEqual([]);
});

test("its program writes a model folder, and says what is wrong with one", () => {
  folder.copy("models/tiny", "tiny");
  const run = (...args: string[]) =>
    spawnSync("node", ["node_modules/flamingo-web/bin/flamingo-web.js", ...args], {
      cwd: folder.path,
      encoding: "utf8",
    });
  expect(run("model", "tiny", "public/models/tiny").stdout).toMatch(
    /^public\/models\/tiny: Flamingo tiny, random weights, \d+\.\d MB, \d+ shards copied\n$/,
  );
  const { shards } = JSON.parse(
    readFileSync(`${folder.path}/public/models/tiny/model.json`, "utf8"),
  );
  for (const { file } of shards as { file: string }[]) {
    const [source, target] = ["tiny", "public/models/tiny"].map((place) =>
      readFileSync(`${folder.path}/${place}/${file}`),
    );
    expect(target).toEqual(source);
  }
  expect(run("model", "tiny", "public/models/tiny").stdout).toContain("0 shards copied");
  writeFileSync(`${folder.path}/tiny/${shards[0].file}`, "damaged");
  const { status, stderr } = run("model", "tiny", "elsewhere");
  expect([status, stderr]).toEqual([1, expect.stringContaining(`${shards[0].file} should have`)]);
  expect(run("copy").status).toBe(2);
  expect(run("model", "tiny", "elsewhere", "--unknown").status).toBe(2);

  folder.copy("models/tiny", "tiny");
  const [{ file: name }] = shards as [{ file: string }];
  mkdirSync(`${folder.path}/mine`);
  writeFileSync(`${folder.path}/mine/${name}`, "my thesis");
  const refused = run("model", "tiny", "mine");
  expect([refused.status, refused.stderr]).toEqual([
    1,
    expect.stringContaining(`mine/${name} is there already`),
  ]);
  expect(readFileSync(`${folder.path}/mine/${name}`, "utf8")).toBe("my thesis");
  expect(run("model", "tiny", "mine", "--force").status).toBe(0);
});

test("a page pays for what it imports, and not more than is said", () => {
  const table = execFileSync("npm", ["run", "--silent", "size", "--workspace", "web"], {
    cwd: ROOT,
    encoding: "utf8",
  }).trim();
  console.log(table);
  const [load, everything, element, error, react, promptApi, aiSdk] = table
    .split("\n")
    .slice(2)
    .map((row) =>
      row
        .split("|")
        .slice(2, 4)
        .map((cell) => Number.parseFloat(cell) || 0),
    );
  const [page = 0, worker = 0] = load ?? [];
  expect(page).toBeGreaterThan(1);
  expect(page).toBeLessThan(9.2);
  // Two modules' JavaScript, of which a visit fetches one.
  expect(worker).toBeLessThan(35);
  expect(everything?.[0]).toBeLessThan(13);
  expect(element?.[0]).toBeLessThan(15);
  // An error class brings no Worker along.
  expect(error?.[0]).toBeLessThan(3);
  expect(error?.[1]).toBe(0);
  // What adapters add to the model that they bring along.
  expect(react?.[0]).toBeLessThan(page + 2.5);
  expect(promptApi?.[0]).toBeLessThan(page + 6);
  expect(aiSdk?.[0]).toBeLessThan(page + 4);
});
