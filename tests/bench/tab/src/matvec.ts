/**
 * The products of one token on WebGPU, on the GPU's own clock, each against what the device can do
 * at best and against Burn's own: `measure_matvecs` of tests/parity, which `./x build` does not
 * build; `./x test` does.
 *
 * Usage: npm run matvec -- [--rounds 5] [--docs]
 */

import { parseArgs } from "node:util";
import { Conditions } from "../../conditions.js";
import { fillIn } from "../../document.js";
import { CHANNEL, type Dispatch, EXACT_TIMES, traceScript } from "./gpu-trace.js";
import { inClone, serveSite, withChromium } from "./site.js";

/** What `tests/parity/src/web.rs` exports. */
interface Parity {
  default(options: { module_or_path: string }): Promise<unknown>;
  ParityDevice: {
    webgpu(): Promise<{
      measure_matvecs(rounds: number, busyMs: () => Promise<number>): Promise<string>;
    }>;
  };
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    docs: { type: "boolean", default: false },
  },
});

await withChromium(
  async (browser) => {
    const conditions = await Conditions.look(browser.version());
    const server = await serveSite(false, { parity: inClone("tests/parity/wasm") });
    const page = await browser.newPage();
    await page.addInitScript(traceScript());
    await page.goto(`${server.origin}/tab/`);
    const table = await page.evaluate(measure, {
      rounds: Number(values.rounds),
      channel: CHANNEL,
    });
    await page.close();
    server.close();
    const text = `${table}\n\n${conditions.told(`medians of ${values.rounds} rounds`)}\n`;
    console.log(text);
    if (values.docs) fillIn("products, WebGPU", text);
  },
  { args: EXACT_TIMES },
);

/** In the page. */
async function measure({
  rounds,
  channel,
}: {
  readonly rounds: number;
  readonly channel: string;
}): Promise<string> {
  const parity: Parity = await import(/* @vite-ignore */ `${location.origin}/parity/parity.js`);
  await parity.default({ module_or_path: "/parity/parity_bg.wasm" });
  const device = await parity.ParityDevice.webgpu();
  const traces = new BroadcastChannel(channel);
  const busyMs = () =>
    new Promise<number>((resolve) => {
      traces.onmessage = ({ data }: { data: readonly Dispatch[] }) =>
        resolve(data.reduce((sum, { start, end }) => sum + end - start, 0) / 1e6);
      traces.postMessage("");
    });
  return device.measure_matvecs(rounds, busyMs);
}
