/** A tab that the browser kills, at any moment: the next visit works and fetches only what was not kept. */

import { type Browser, expect, type Page, test } from "@playwright/test";
import type * as Package from "../../web/dist/index.js";
import { TINY_MODEL } from "./caption-page.js";
import { FaultyServer, PARTS } from "./faulty-server.js";
import { PHOTOS } from "./fixtures.js";
import { nativeCaptions } from "./native.js";
import { pathInClone } from "./package-server.js";

/** Tabs that are killed; 200 are worth a look after every change of how models are kept. */
const KILLS = Number(process.env.KILLS ?? 6);

/** A visit lasts about as long: shards take a second, the rest two. */
const VISIT_MS = 3000;

const [PHOTO = ""] = PHOTOS;

const server = new FaultyServer();

let tokenIds: readonly number[];

test.beforeAll(async () => {
  await server.start();
  [{ tokenIds } = { tokenIds: [] }] = await nativeCaptions(TINY_MODEL, [PHOTO]);
});

test.afterAll(() => server.close());

/** Loads the model and captions the photo: the tokens, and the bytes that were kept before. */
const visit = (page: Page) =>
  page.evaluate(async (photo) => {
    const { Flamingo }: typeof Package = await import(
      /* @vite-ignore */ `${location.origin}/web/dist/index.js`
    );
    let kept = 0;
    const model = await Flamingo.load("/model/model.json", {
      device: "cpu",
      onProgress: (event) => {
        if (event.status === "cache") kept = event.cachedBytes;
      },
    });
    const image = await (await fetch(photo)).blob();
    const { tokenIds } = await model.session().caption(image).result;
    model.dispose();
    return { kept, tokenIds };
  }, pathInClone(PHOTO));

/** Kills a tab so many milliseconds after its visit began, and visits again. */
async function killAndVisit(browser: Browser, afterMs: number): Promise<void> {
  server.heal();
  for (const part of PARTS) server.faults.set(part, ["slow"]);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.origin);
  const killed = page.waitForEvent("crash");
  const first = visit(page).catch(() => "killed");
  await page.waitForTimeout(afterMs);
  const chromium = await context.newCDPSession(page);
  // No answer comes from a tab that is gone.
  void chromium.send("Page.crash").catch(() => {});
  await killed;
  void first;
  await page.close();

  server.heal();
  const next = await context.newPage();
  await next.goto(server.origin);
  const { kept, tokenIds: found } = await visit(next);
  expect(found).toEqual(tokenIds);
  const asked = server.requests.toSorted();
  expect(asked).toEqual([...new Set(asked)]);
  const notAsked = PARTS.filter((part) => !asked.includes(part));
  expect(kept).toBe(notAsked.reduce((sum, part) => sum + server.bytesOf(part), 0));
  await context.close();
}

test(`${KILLS} tabs killed at moments all over a visit cost the next one nothing that was kept`, async ({
  browser,
}) => {
  test.setTimeout(60_000 + KILLS * 20_000);
  for (let kill = 0; kill < KILLS; kill++) {
    await test.step(`after ${Math.round((kill * VISIT_MS) / KILLS)} ms`, () =>
      killAndVisit(browser, (kill * VISIT_MS) / KILLS));
  }
});
