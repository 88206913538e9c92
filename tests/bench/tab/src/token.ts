/**
 * One token on the GPU, program by program, as a picture.
 *
 * Usage: npm run token -- [--model tiny] [--package FOLDER --models FOLDER] [--json FILE] [--docs]
 *        npm run token -- --from FILE [--before FILE] --svg FILE
 *
 * Another build of the package may be measured, with the models that it reads, and drawn above
 * this one: `--before` takes what `--json` wrote. `--docs` writes `docs/token.json` and its
 * picture.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type * as Package from "../../../../web/dist/index.js";
import { Conditions } from "../../conditions.js";
import { fillIn } from "../../document.js";
import { duration, grouped, markdown, median } from "../../table.js";
import { CHANNEL, type Dispatch, EXACT_TIMES, traceScript } from "./gpu-trace.js";
import { inClone, MODELS, type ModelName, NAMES, serveSite, withChromium } from "./site.js";
import { type Kernel, type TokenTrace, timeline } from "./timeline.js";

/** Tokens of a text; the one whose dispatches take the median time is shown. */
const NEW_TOKENS = 6;

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "default" },
    package: { type: "string" },
    models: { type: "string" },
    json: { type: "string" },
    from: { type: "string" },
    before: { type: "string" },
    svg: { type: "string" },
    docs: { type: "boolean", default: false },
  },
});

const saved = (file: string): TokenTrace => JSON.parse(readFileSync(file, "utf8"));

const trace = values.from === undefined ? await measured() : saved(values.from);
const before = values.before === undefined ? undefined : saved(values.before);
const picture = timeline(trace, before);
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(trace));
if (values.svg !== undefined) writeFileSync(values.svg, picture);
const text = `${table(trace)}\n${trace.conditions}\n`;
console.log(text);
if (values.docs) {
  writeFileSync(inClone("docs/token.json"), `${JSON.stringify(trace)}\n`);
  writeFileSync(inClone("docs/token.svg"), picture);
  fillIn("one token, WebGPU", text);
}

async function measured(): Promise<TokenTrace> {
  const server = await serveSite(false, {
    ...(values.package === undefined ? {} : { web: resolve(values.package) }),
    ...(values.models === undefined ? {} : { models: resolve(values.models) }),
  });
  try {
    return await withChromium(
      async (browser) => {
        const conditions = await Conditions.look(browser.version());
        const page = await browser.newPage();
        await page.addInitScript(NAMES);
        page.on("console", (message) => console.error(message.text()));
        await page.route("**/web/dist/worker.js", async (route) => {
          const response = await route.fetch();
          await route.fulfill({ response, body: traceScript() + (await response.text()) });
        });
        await page.goto(`${server.origin}/tab/`);
        const { model, dispatches } = await page.evaluate(write, {
          url: `/${MODELS[values.model as ModelName]}`,
          channel: CHANNEL,
          newTokens: NEW_TOKENS,
        });
        return { model, dispatches: middle(dispatches), conditions: conditions.told("one token") };
      },
      { args: EXACT_TIMES },
    );
  } finally {
    server.close();
  }
}

/** In the page: writes a text twice, and takes the dispatches of the second time, when all is compiled. */
async function write({
  url,
  channel,
  newTokens,
}: {
  readonly url: string;
  readonly channel: string;
  readonly newTokens: number;
}): Promise<{ model: string; dispatches: Dispatch[] }> {
  const { Flamingo }: typeof Package = await import(
    /* @vite-ignore */ `${location.origin}/web/dist/index.js`
  );
  const traces = new BroadcastChannel(channel);
  const taken = () =>
    new Promise<Dispatch[]>((resolve) => {
      traces.onmessage = ({ data }) => resolve(data);
      traces.postMessage("");
    });
  const model = await Flamingo.load(url, { device: "webgpu" });
  const session = model.session();
  const side = 256;
  const image = { data: new Uint8Array(side * side * 4).fill(99), width: side, height: side };
  await session.caption(image, { maxNewTokens: 2 }).result;
  await taken();
  await session.caption(image, { maxNewTokens: newTokens }).result;
  const dispatches = await taken();
  const { name } = model.info;
  model.dispose();
  return { model: name, dispatches };
}

/** The token, by its read-back, that took the median time; the prompt's and the last are left out. */
function middle(all: readonly Dispatch[]): Kernel[] {
  const tokens = grouped(all, ({ readBacks }) => readBacks);
  const whole = [...tokens.values()].slice(1);
  const time = (token: readonly Dispatch[]) =>
    token.reduce((sum, { start, end }) => sum + end - start, 0);
  const target = median(whole.map(time));
  const chosen = whole.find((token) => time(token) === target);
  const start = chosen?.[0]?.start;
  if (chosen === undefined || start === undefined) throw new Error("no token was traced");
  return chosen.map((dispatch) => ({
    name: nameOf(dispatch.code),
    workgroups: dispatch.workgroups,
    startUs: (dispatch.start - start) / 1000,
    us: (dispatch.end - dispatch.start) / 1000,
  }));
}

/** What a program does, read off its text. */
function nameOf(code: string): string {
  const has = (text: string) => code.includes(text);
  if (has("finish(norm(x)")) {
    const parts = [
      has("fn normalise") ? "norm" : "",
      "product",
      has("fn apply") ? "activation" : "",
      has("addend") ? "residual" : "",
    ];
    return parts.filter((part) => part !== "").join(" + ");
  }
  if (has("head_vectors")) return "attention";
  if (has("rotary_dims")) return "rotation + append";
  if (has("One invocation unpacks eight")) return "embedding";
  if (has("One workgroup normalises one row")) return "norm";
  const [, burns] = /fn (\w+?)_kernel/.exec(code) ?? [];
  return burns === undefined ? "other" : `Burn's ${burns.replaceAll("_", " ")}`;
}

/** Kinds of programs, the slowest first. */
function table({ dispatches }: TokenTrace): string {
  const sum = (kernels: readonly Kernel[]) => kernels.reduce((sum, { us }) => sum + us, 0) / 1000;
  const whole = sum(dispatches);
  const kinds = [...grouped(dispatches, ({ name }) => name)]
    .map(([name, kernels]) => ({ name, count: kernels.length, ms: sum(kernels) }))
    .sort((a, b) => b.ms - a.ms);
  return markdown(
    ["program", "dispatches", "time", "share"],
    [...kinds, { name: "all", count: dispatches.length, ms: whole }].map(({ name, count, ms }) => [
      name,
      `${count}`,
      duration(ms),
      `${((100 * ms) / whole).toFixed(1)}%`,
    ]),
  );
}
