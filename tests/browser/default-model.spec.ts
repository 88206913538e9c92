/**
 * The default model in a tab says what it says natively: ten photos, without
 * and with two examples, on WebGPU and on the CPU.
 */

import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect, test } from "@playwright/test";
import { CaptionPage, DEFAULT_MODEL, type ShownCaption } from "./caption-page.js";
import { PHOTOS, SHOTS, SHOTS_FILE } from "./fixtures.js";
import { nativeTokenIds } from "./native.js";

const MINUTES = 60_000;

/** Token ids of the native program, without and with examples. */
let native: { readonly bare: number[][]; readonly shown: number[][] };

/** What is printed in the end, by device. */
const figures: Record<string, Record<string, string>> = {};

test.describe.configure({ timeout: 25 * MINUTES });

test.beforeAll(async () => {
  native = {
    bare: await nativeTokenIds(DEFAULT_MODEL, PHOTOS),
    shown: await nativeTokenIds(DEFAULT_MODEL, PHOTOS, SHOTS_FILE),
  };
});

for (const device of ["cpu", "webgpu"] as const) {
  test(`ten photos on ${device} get the native captions`, async ({ page }) => {
    const app = new CaptionPage(page);
    const start = performance.now();
    await app.open(DEFAULT_MODEL, device);
    await app.choosePhoto(PHOTOS[0] ?? "");
    await app.ready(5 * MINUTES);
    const ready = performance.now();
    await expect(app.device).toHaveAttribute("data-device", device);
    console.log(`${device}: ${await app.device.innerText()}`);
    await app.caption(5 * MINUTES);
    const captioned = performance.now();

    const bare = await captionAll(app);
    await app.addExamples(SHOTS);
    const shown = await captionAll(app);

    figures[device] = {
      "page open to model ready": seconds(ready - start),
      "page open to first caption": seconds(captioned - start),
      "a caption, no examples": seconds(bare.milliseconds / PHOTOS.length),
      "a caption, two examples": seconds(shown.milliseconds / PHOTOS.length),
      "peak wasm heap": megabytes(await app.heapBytes()),
    };

    expect(bare.captions.map(({ tokenIds }) => tokenIds)).toEqual(native.bare);
    expect(shown.captions.map(({ tokenIds }) => tokenIds)).toEqual(native.shown);
    for (const { captions } of [bare, shown]) {
      expect(changedByNextPhoto(captions)).toBeGreaterThanOrEqual(8);
    }
  });
}

test.afterAll(() => {
  const wasm = readFileSync(new URL("../../web/wasm/flamingo_bg.wasm", import.meta.url));
  console.table(figures);
  console.table({
    "wasm module": {
      raw: megabytes(wasm.length),
      gzip: megabytes(gzipSync(wasm, { level: 9 }).length),
      brotli: megabytes(brotliCompressSync(wasm).length),
    },
  });
});

async function captionAll(
  app: CaptionPage,
): Promise<{ captions: ShownCaption[]; milliseconds: number }> {
  const captions: ShownCaption[] = [];
  const start = performance.now();
  for (const photo of PHOTOS) {
    await app.choosePhoto(photo);
    captions.push(await app.caption(5 * MINUTES));
  }
  return { captions, milliseconds: performance.now() - start };
}

/** How many captions would be another one if the next photo stood in the same place. */
function changedByNextPhoto(captions: readonly ShownCaption[]): number {
  return captions.filter(({ text }, i) => text !== captions[(i + 1) % captions.length]?.text)
    .length;
}

const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`;
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
