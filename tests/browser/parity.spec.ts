/**
 * The model on WebGPU in Chromium against activations of the real
 * `open_flamingo` package: the harness of `tests/parity`, compiled for browsers.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";

/** Largest absolute error allowed on WebGPU. */
const TOLERANCE = 1e-3;

const TESTS = fileURLToPath(new URL("..", import.meta.url));
const GOLDENS = process.env.FLAMINGO_GOLDENS ?? `${TESTS}fixtures/golden`;

interface MaxError {
  readonly name: string;
  readonly error: number;
  readonly values: number;
}

/** `Comparison` of `tests/parity/src/golden.rs`. */
interface Comparison {
  readonly errors: readonly MaxError[];
  readonly greedy_cached: boolean;
  readonly greedy_uncached: boolean;
  readonly zero_before_image: boolean;
  readonly zero_gates_identity: boolean;
  readonly surplus_image_refused: boolean;
}

/** What the page imports: `tests/parity/src/web.rs`. */
interface ParityDevice {
  report(): { readonly adapter: string; readonly kind: string };
  compare_golden(config: string, weights: Uint8Array, expected: Uint8Array): Promise<Comparison>;
  compare_resampler_video(weights: Uint8Array, expected: Uint8Array): Promise<MaxError[]>;
}

interface ParityModule {
  default(options: { module_or_path: string }): Promise<unknown>;
  ParityDevice: { webgpu(): Promise<ParityDevice> };
}

const MIME: Record<string, string> = {
  js: "text/javascript",
  wasm: "application/wasm",
  json: "application/json",
};

let server: Server;
let origin: string;

/** Serves the harness, the goldens and one empty page. */
test.beforeAll(async () => {
  server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (path === "/") {
      response.setHeader("Content-Type", "text/html").end("<!doctype html><title>parity</title>");
      return;
    }
    const file = path.startsWith("/golden/")
      ? `${GOLDENS}${path.slice("/golden".length)}`
      : `${TESTS}parity/wasm${path}`;
    try {
      const type = MIME[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
      response.setHeader("Content-Type", type).end(readFileSync(file));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  origin = `http://localhost:${(server.address() as AddressInfo).port}/`;
});

test.afterAll(() => new Promise((resolve) => server.close(resolve)));

/** Those that a page can read by itself: checkpoints of other projects take the importer. */
const folders = readdirSync(GOLDENS).filter(
  (folder) =>
    folder === "resampler_video" || existsSync(`${GOLDENS}/${folder}/model_full.safetensors`),
);

test("there are goldens", () => {
  expect(folders).not.toHaveLength(0);
});

for (const golden of folders) {
  test(`${golden} on WebGPU`, async ({ page }) => {
    test.setTimeout(600_000);
    await page.goto(origin);
    const { adapter, errors, facts } = await page.evaluate(async (folder) => {
      const module: ParityModule = await import(/* @vite-ignore */ `${location.origin}/parity.js`);
      await module.default({ module_or_path: "/parity_bg.wasm" });
      const device = await module.ParityDevice.webgpu();
      const fetched = async (name: string) => {
        const response = await fetch(`/golden/${folder}/${name}`);
        return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined;
      };
      const expected = await fetched("expected.safetensors");
      const config = await fetched("config.json");
      const resampler = await fetched("model.safetensors");
      const model = await fetched("model_full.safetensors");
      const adapter = device.report().adapter;
      if (expected === undefined) {
        throw new Error(`${folder} holds no expected.safetensors`);
      }
      if (config !== undefined && model !== undefined) {
        const text = new TextDecoder().decode(config);
        const { errors, ...facts } = await device.compare_golden(text, model, expected);
        return { adapter, errors: [...errors], facts };
      }
      if (resampler === undefined) {
        throw new Error(`${folder} holds no model`);
      }
      const errors = await device.compare_resampler_video(resampler, expected);
      return { adapter, errors, facts: {} };
    }, golden);
    console.log(`${golden}: ${adapter}`);
    for (const { name, error, values } of errors) {
      console.log(`  ${name.padEnd(28)} ${error.toExponential(1)} over ${values}`);
    }
    expect(errors).not.toHaveLength(0);
    for (const { name, error } of errors) {
      expect(error, name).toBeLessThanOrEqual(TOLERANCE);
    }
    for (const [fact, holds] of Object.entries(facts)) {
      expect(holds, fact).toBe(true);
    }
  });
}
