/**
 * From opening the page to its first caption, stage by stage: on a first visit, and on a second
 * one by a browser that was closed in between.
 *
 * Usage: npm run visits -- [--only TEXT] [--rounds N] [--model tiny] [--json FILE] [--docs]
 *
 * The server is on this machine: bytes cost next to nothing on their way, but are checked and kept.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { CaptionPage } from "../../../browser/caption-page.js";
import { PHOTOS } from "../../../browser/fixtures.js";
import { Conditions } from "../../conditions.js";
import { fillIn } from "../../document.js";
import type { Server } from "../../server.js";
import { duration, markdown, median } from "../../table.js";
import { LAUNCH, MODELS, type ModelName, NAMES, serveSite } from "./site.js";

interface Visitor {
  readonly name: string;
  readonly device: "cpu" | "webgpu";
  readonly rounds: number;
}

const VISITORS: readonly Visitor[] = [
  { name: "visits, CPU", device: "cpu", rounds: 5 },
  { name: "visits, WebGPU", device: "webgpu", rounds: 3 },
];

/** Moments of a visit, in milliseconds since the page was asked for; of the caption, since its button was pressed. */
interface Visit {
  /** The page shows that it looks for the model. */
  readonly page: number;
  /** The last byte of the WebAssembly module. */
  readonly wasm: number;
  /** Compiled, the device opened and, where it is WebGPU, tested. */
  readonly device: number;
  /** The last byte of the model. */
  readonly model: number;
  /** Built and warmed up. */
  readonly ready: number;
  readonly firstToken: number;
  readonly caption: number;
  /** Tokens of that. */
  readonly tokens: number;
}

type Moment = "page" | "device" | "model" | "ready" | "pressed" | "firstToken" | "caption";

declare global {
  interface Window {
    readonly moments: Partial<Record<Moment, number>>;
  }
}

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    rounds: { type: "string" },
    model: { type: "string", default: "default" },
    json: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});

const server = await serveSite(true);
const measured: Record<string, { first: Visit[]; second: Visit[] }> = {};
for (const visitor of VISITORS.filter(({ name }) => name.includes(values.only))) {
  const [first, second]: [Visit[], Visit[]] = [[], []];
  const rounds = Number(values.rounds ?? visitor.rounds);
  let conditions: Conditions | undefined;
  for (let round = 0; round < rounds; round += 1) {
    const profile = mkdtempSync(join(tmpdir(), "flamingo-visits-"));
    for (const visits of [first, second]) {
      const context = await chromium.launchPersistentContext(profile, LAUNCH);
      conditions ??= await Conditions.look(context.browser()?.version() ?? "");
      visits.push(await visit(context, server, visitor));
      await context.close();
    }
    rmSync(profile, { recursive: true, force: true });
  }
  measured[visitor.name] = { first, second };
  const text = `${table(first, second)}\n${conditions?.told(`medians of ${rounds} rounds`)}\n`;
  console.log(`### ${visitor.name}\n\n${text}`);
  if (values.docs) fillIn(visitor.name, text);
}
server.close();
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(measured, null, 1));

async function visit(
  context: BrowserContext,
  { origin }: Server,
  { device }: Visitor,
): Promise<Visit> {
  const page = await context.newPage();
  await page.addInitScript(NAMES);
  await page.addInitScript(noteMoments);
  let wasmArrived = 0;
  context.on("requestfinished", (request) => {
    const { startTime, responseEnd } = request.timing();
    if (request.url().endsWith(".wasm")) wasmArrived ||= startTime + responseEnd;
  });
  const model = MODELS[values.model as ModelName];
  await page.goto(`${origin}/?${new URLSearchParams({ model, device })}`);
  const app = new CaptionPage(page);
  await page.waitForFunction(
    () => /ready|failed/.test(document.querySelector<HTMLElement>(".status")?.dataset.phase ?? ""),
    undefined,
    { timeout: 0 },
  );
  await app.choosePhoto(PHOTOS[0] ?? "");
  await app.captionButton.click();
  await page.waitForFunction(() => window.moments.caption !== undefined, undefined, { timeout: 0 });
  const moments = await momentsOf(page);
  const tokens = (await app.tokenIds()).length;
  const { pressed, firstToken, caption, opened, ...rest } = moments;
  return {
    ...rest,
    wasm: wasmArrived - opened,
    firstToken: firstToken - pressed,
    caption: caption - pressed,
    tokens,
  };
}

/** In the page, before its own scripts: notes when what it shows changes. */
function noteMoments(): void {
  const moments: Partial<Record<Moment, number>> = {};
  Object.assign(window, { moments });
  const note = (moment: Moment, shown: boolean) => {
    if (shown) moments[moment] ??= performance.now();
  };
  addEventListener(
    "click",
    ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      note("pressed", button?.textContent?.trim() === "Caption");
    },
    { capture: true },
  );
  new MutationObserver(() => {
    const phase = document.querySelector<HTMLElement>(".status")?.dataset.phase;
    note("page", phase !== undefined);
    note("device", document.querySelector(".device[data-device]") !== null);
    note("model", phase !== undefined && /compiling|building|ready/.test(phase));
    note("ready", phase === "ready");
    note("firstToken", document.querySelector(".tokens li") !== null);
    note("caption", document.querySelector("output")?.dataset.phase === "done");
  }).observe(document, { childList: true, subtree: true, attributes: true });
}

async function momentsOf(page: Page): Promise<Record<Moment | "opened", number>> {
  return page.evaluate(() => {
    const { page, device, model, ready, pressed, firstToken, caption } = window.moments;
    const all = { page, device, model, ready, pressed, firstToken, caption };
    for (const [name, moment] of Object.entries(all)) {
      if (moment === undefined) throw new Error(`the page never came to “${name}”`);
    }
    return {
      ...(all as Record<Moment, number>),
      opened: performance.timeOrigin,
    };
  });
}

function table(first: readonly Visit[], second: readonly Visit[]): string {
  const middle = (visits: readonly Visit[], of: (visit: Visit) => number) =>
    duration(median(visits.map(of)));
  const row = (name: string, of: (visit: Visit) => number) => [
    name,
    middle(first, of),
    middle(second, of),
  ];
  const tokens = median(first.map(({ tokens }) => tokens));
  return markdown(
    ["from the address to", "first visit", "second visit"],
    [
      row("the page", ({ page }) => page),
      row("its WebAssembly, last byte", ({ wasm }) => wasm),
      row("a device: compiled, opened, tested", ({ device }) => device),
      row("the model, last byte", ({ model }) => model),
      row("the model ready", ({ ready }) => ready),
      row(
        "the first token, the user's choice of a photo not counted",
        (it) => it.ready + it.firstToken,
      ),
      row(`the first caption (${tokens} tokens), likewise`, (it) => it.ready + it.caption),
      row("of that the caption, from the button on", ({ caption }) => caption),
    ],
  );
}
