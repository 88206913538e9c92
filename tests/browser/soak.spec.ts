/** Caption after caption: what a page that stays open all day must not lose. */

import { expect, test } from "@playwright/test";
import type * as Package from "../../web/dist/index.js";
import { TINY_MODEL } from "./caption-page.js";
import { PHOTOS } from "./fixtures.js";
import { ISOLATION, pathInClone, servePackage } from "./package-server.js";

/** Captions of a run; more than a test can wait for are worth a look after every great change. */
const CAPTIONS = Number(process.env.SOAK_CAPTIONS ?? 200);

/** The default model is worth such a look too. */
const MODEL = process.env.SOAK_MODEL ?? TINY_MODEL;

/** The share of them after which everything has been allocated that is needed. */
const WARM_UP = 0.25;

for (const device of ["cpu", "webgpu"] as const) {
  test(`captions grow neither the heap nor the memory of the GPU on ${device}`, async ({
    browser,
  }) => {
    // A GPU that is none takes a second for a caption.
    const captions = device === "cpu" ? CAPTIONS : Math.ceil(CAPTIONS / 10);
    test.setTimeout(captions * (MODEL === TINY_MODEL ? 1000 : 10_000) + 60_000);
    const pages = { "/": "<!doctype html><title>soak</title>" };
    const server = await servePackage(pages, { headers: ISOLATION });
    const page = await browser.newPage();
    await page.goto(server.origin);
    const paths = PHOTOS.slice(0, 4).map(pathInClone);
    const { threads, warm, reserved, end } = await page.evaluate(
      async ({ url, paths, device, captions, warmUp }) => {
        const { Flamingo }: typeof Package = await import(
          /* @vite-ignore */ `${location.origin}/web/dist/index.js`
        );
        const model = await Flamingo.load(url, { device });
        const photos = await Promise.all(paths.map(async (path) => (await fetch(path)).blob()));
        const shot = { image: photos[0] ?? new Blob(), text: "A dog in the snow" };
        let warm = await model.memory();
        // Pools give back what thousands of allocations did not use, a few captions' worth, so
        // that what is reserved swings: what counts is the most of it.
        let reserved = 0;
        for (let caption = 0; caption < captions; caption++) {
          // A session of its own every few captions, as a page makes them.
          const session = model.session(caption % 8 < 4 ? {} : { shots: [shot] });
          const photo = photos[caption % photos.length] ?? new Blob();
          await session.caption(photo, { maxNewTokens: 6, temperature: 1, seed: caption }).result;
          session.dispose();
          if (caption <= Math.floor(captions * warmUp)) {
            warm = await model.memory();
            reserved = Math.max(reserved, warm.gpuBytesReserved);
          }
        }
        return { threads: model.device.threads, warm, reserved, end: await model.memory() };
      },
      { url: `/${MODEL}`, paths, device, captions, warmUp: WARM_UP },
    );
    await page.close();
    await server.close();
    console.log(`${device}: ${JSON.stringify({ captions, threads, warm, reserved, end })}`);
    expect(end.heapBytes).toBe(warm.heapBytes);
    expect(end.gpuBytesInUse).toBeLessThanOrEqual(warm.gpuBytesInUse);
    expect(end.gpuBytesReserved).toBeLessThanOrEqual(reserved);
  });
}
