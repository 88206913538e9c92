/**
 * One model in one tab of Chromium, as a line of JSON: load, memory, an image, tokens; with
 * `--visits` also the page from its address to the first caption, by a browser that comes twice.
 *
 * Usage: npx tsx tests/bench/full_size/tab.ts --model FOLDER --profile FOLDER
 *   [--device cpu|webgpu] [--int8] [--new-tokens N] [--rounds N] [--visits] [--package FOLDER]
 *
 * The profile is a folder that is not there yet: the browser keeps the model in it, on the disk and
 * not in memory. It is removed afterwards.
 */

import { readFileSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type BrowserContext, chromium } from "playwright-core";
import type * as Package from "../../../web/dist/index.js";
import { CaptionPage } from "../../browser/caption-page.js";
import { PHOTOS } from "../../browser/fixtures.js";
import { LAUNCH, NAMES, serveSite } from "../tab/src/site.js";

/** Measured in the page. Times are medians, in milliseconds; of the first two one each. */
interface Tab {
  readonly device: Package.DeviceReport;
  /** The model was not there. */
  readonly firstLoadMs: number;
  /** The model is kept from before; undefined where it was loaded once only. */
  readonly secondLoadMs: number | undefined;
  readonly loaded: Package.MemoryReport;
  /** At the end; the heap's size is its peak. */
  readonly memory: Package.MemoryReport;
  readonly encodeMs: number;
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
  /** Of a caption. */
  readonly tokens: number;
}

interface Plan {
  readonly url: string;
  readonly device: "cpu" | "webgpu";
  readonly int8Activations: boolean;
  readonly newTokens: number;
  readonly rounds: number;
  /** Tokens that would end a caption before it has its length. */
  readonly banned: readonly number[];
}

/** From the page's address on, in milliseconds. */
interface Visit {
  readonly readyMs: number;
  /** The user's choice of a photo not counted. */
  readonly captionMs: number;
  readonly tokens: number;
}

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    profile: { type: "string" },
    device: { type: "string", default: "cpu" },
    int8: { type: "boolean", default: false },
    "new-tokens": { type: "string", default: "16" },
    rounds: { type: "string", default: "3" },
    visits: { type: "boolean", default: false },
    package: { type: "string" },
  },
});
if (values.model === undefined || values.profile === undefined) {
  throw new Error("--model and --profile are needed");
}
if (values.device !== "cpu" && values.device !== "webgpu") {
  throw new Error("--device is cpu or webgpu");
}
const folder = resolve(values.model);
const profile = resolve(values.profile);
const url = `models/${basename(folder)}/model.json`;
const server = await serveSite(true, {
  models: dirname(folder),
  ...(values.package === undefined ? {} : { web: resolve(values.package) }),
});
try {
  const plan: Plan = {
    url: `/${url}`,
    device: values.device,
    int8Activations: values.int8,
    newTokens: Number(values["new-tokens"]),
    rounds: Number(values.rounds),
    banned: endsOf(folder),
  };
  const tab = await inBrowser(async (context) => {
    const page = await context.newPage();
    page.on("console", (message) => console.error(message.text()));
    await page.addInitScript(NAMES);
    await page.goto(`${server.origin}/tab/`);
    return page.evaluate(measure, plan);
  });
  const visits: Visit[] = [];
  if (values.visits) {
    rmSync(profile, { recursive: true, force: true });
    for (let i = 0; i < 2; i += 1) visits.push(await inBrowser(visit));
  }
  console.log(JSON.stringify({ tab, visits }));
} finally {
  server.close();
  rmSync(profile, { recursive: true, force: true });
}

async function inBrowser<T>(use: (context: BrowserContext) => Promise<T>): Promise<T> {
  const context = await chromium.launchPersistentContext(profile, LAUNCH);
  try {
    return await use(context);
  } finally {
    await context.close();
  }
}

/** Tokens that end an answer, as `model.json` has them. */
function endsOf(folder: string): number[] {
  const { config } = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
  const { end_of_answer = [], end_ids = [] } = config.prompt ?? {};
  return [...new Set([config.tokens.end_of_chunk, ...end_of_answer, ...end_ids])];
}

/** In the page. */
async function measure({ url, newTokens, rounds, banned, ...options }: Plan): Promise<Tab> {
  const { Flamingo }: typeof Package = await import(
    /* @vite-ignore */ `${location.origin}/web/dist/index.js`
  );
  const warn = (event: Package.LoadEvent) => {
    if (event.status === "warning") console.error(`${event.code}: ${event.message}`);
  };
  const load = async () => {
    const started = performance.now();
    const model = await Flamingo.load(url, { ...options, onProgress: warn });
    return { model, ms: performance.now() - started };
  };
  const first = await load();
  let { model } = first;
  let secondLoadMs: number | undefined;
  if (rounds > 1) {
    model.dispose();
    const second = await load();
    model = second.model;
    secondLoadMs = second.ms;
  }
  const loaded = await model.memory();
  const side = 256;
  const session = model.session();
  const timings: Package.Timings[] = [];
  let tokens = 0;
  // A first caption compiles what is not compiled yet; of a single one there is no other.
  const captions = rounds === 1 ? 1 : rounds + 1;
  for (let round = 0; round < captions; round += 1) {
    const data = Uint8Array.from({ length: side * side * 4 }, (_, i) => (i * (31 + round)) % 251);
    const image = { data, width: side, height: side };
    const caption = await session.caption(image, { maxNewTokens: newTokens, banned }).result;
    timings.push(caption.timings);
    tokens = caption.tokenIds.length;
  }
  const counted = timings.slice(captions - rounds);
  const middle = (of: (timings: Package.Timings) => number) => {
    const sorted = counted.map(of).toSorted((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  };
  const memory = await model.memory();
  const report = {
    device: model.device,
    firstLoadMs: first.ms,
    secondLoadMs,
    loaded,
    memory,
    encodeMs: middle(({ encodeMs }) => encodeMs),
    firstTokenMs: middle(({ firstTokenMs }) => firstTokenMs),
    tokensPerSecond: 1000 / middle(({ decodeMsPerToken }) => decodeMsPerToken),
    tokens,
  };
  model.dispose();
  return report;
}

async function visit(context: BrowserContext): Promise<Visit> {
  const page = await context.newPage();
  await page.addInitScript(NAMES);
  const query = new URLSearchParams({ model: url, device: values.device ?? "cpu" });
  const started = performance.now();
  await page.goto(`${server.origin}/?${query}`);
  const app = new CaptionPage(page);
  await app.ready(600_000);
  const readyMs = performance.now() - started;
  await app.choosePhoto(PHOTOS[0] ?? "");
  const pressed = performance.now();
  const { tokenIds } = await app.caption(600_000);
  return { readyMs, captionMs: readyMs + performance.now() - pressed, tokens: tokenIds.length };
}
