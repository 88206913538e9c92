/**
 * The package and the page in Firefox, which has no WebGPU here, with the tiny model. Playwright
 * only runs the tests: its own Firefox is a patched one, so Puppeteer drives Debian's.
 */

import { expect, test } from "@playwright/test";
import puppeteer, { type Browser, type ElementHandle, type Page } from "puppeteer-core";
import type * as Package from "../../web/dist/index.js";
import { TINY_MODEL } from "./caption-page.js";
import { PHOTOS, SHOTS, SHOTS_FILE } from "./fixtures.js";
import { type NativeCaption, nativeCaptions } from "./native.js";
import { type PackageServer, pathInClone, servePackage } from "./package-server.js";

const [PHOTO = ""] = PHOTOS;

/** What the program writes for the photo, without and with examples. */
let bare: NativeCaption;
let shown: NativeCaption;

let server: PackageServer;
let browser: Browser;
let page: Page;

const launch = (preferences: Record<string, unknown> = {}) =>
  puppeteer.launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    headless: true,
    extraPrefsFirefox: preferences,
  });

test.beforeAll(async () => {
  [[bare], [shown]] = (await Promise.all([
    nativeCaptions(TINY_MODEL, [PHOTO]),
    nativeCaptions(TINY_MODEL, [PHOTO], SHOTS_FILE),
  ])) as [[NativeCaption], [NativeCaption]];
  server = await servePackage({
    "/": "<!doctype html><title>embed</title>",
    "/element": `<!doctype html><title>element</title>
      <script type="module" src="/web/dist/element.js"></script>
      <flamingo-caption model="/${TINY_MODEL}" src="${pathInClone(PHOTO)}"></flamingo-caption>`,
  });
  browser = await launch();
});

test.afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test.beforeEach(async () => {
  page = await browser.newPage();
});

test.afterEach(() => page.close());

/** What happens when a page loads the model and captions the photo. */
interface Visit {
  readonly device: Package.DeviceReport;
  readonly caption: Package.Caption;
  readonly events: readonly Package.LoadEvent[];
}

/** Loads the model where `auto` puts it, and captions the photo in the manner of the examples. */
async function visit(page: Page): Promise<Visit> {
  await page.goto(server.origin);
  return page.evaluate(
    async (url, photo, shots) => {
      const { Flamingo } = (await import(`${location.origin}/web/dist/index.js`)) as typeof Package;
      const blob = async (path: string) => (await fetch(path)).blob();
      const events: Package.LoadEvent[] = [];
      const model = await Flamingo.load(url, {
        onProgress: (event) => events.push(event),
        // The question to the user would stay unanswered.
        persist: false,
      });
      const examples = shots.map(async ({ path, text }) => ({ image: await blob(path), text }));
      const session = model.session({ shots: await Promise.all(examples) });
      const caption = await session.caption(await blob(photo)).result;
      const { device } = model;
      model.dispose();
      return { device, caption, events };
    },
    `/${TINY_MODEL}`,
    pathInClone(PHOTO),
    SHOTS.map(({ path, text }) => ({ path: pathInClone(path), text })),
  );
}

const warnings = ({ events }: Visit) => events.filter(({ status }) => status === "warning");

test("captions on the CPU with the program's tokens, and keeps the model", async () => {
  const first = await visit(page);
  expect(first.device.kind).toBe("cpu");
  expect(first.device.reason).toMatch(/WebGPU/);
  expect(first.caption.tokenIds).toEqual(shown.tokenIds);
  expect(warnings(first)).toEqual([]);
  expect(first.events).toContainEqual({ status: "cache", storage: "opfs", cachedBytes: 0 });

  const second = await visit(page);
  const { totalBytes } = second.events.flatMap((event) =>
    event.status === "initiate" ? [event.model] : [],
  )[0] as Package.ModelInfo;
  expect(second.events).toContainEqual({
    status: "cache",
    storage: "opfs",
    cachedBytes: totalBytes,
  });
  expect(second.caption.tokenIds).toEqual(shown.tokenIds);
});

test("in a private window too", async () => {
  const inPrivate = await launch({ "browser.privatebrowsing.autostart": true });
  try {
    const first = await visit(await inPrivate.newPage());
    expect(first.caption.tokenIds).toEqual(shown.tokenIds);
    // The origin private file system is refused there; the next place takes the model.
    expect(warnings(first)).toEqual([]);
  } finally {
    await inPrivate.close();
  }
});

test("the element writes it", async () => {
  await page.goto(`${server.origin}/element`);
  const element = (await page.waitForSelector("flamingo-caption")) as ElementHandle;
  const text = await element.evaluate(async (element) => {
    const caption = element as HTMLElementTagNameMap["flamingo-caption"];
    await customElements.whenDefined("flamingo-caption");
    await caption.start();
    return caption.shadowRoot?.querySelector("output")?.textContent?.trim();
  });
  expect(text).toBe(bare.text);
});

test("the page takes a photo and examples, and writes the program's tokens", async ({
  baseURL,
}) => {
  const query = new URLSearchParams({ model: TINY_MODEL, device: "auto" });
  await page.goto(`${baseURL}?${query}`);
  await page.waitForSelector('.status[data-phase="ready"]', { timeout: 60_000 });
  expect(await page.$eval(".device", (line) => line.getAttribute("data-device"))).toBe("cpu");

  const choose = async (label: string, ...files: string[]) => {
    const input = await page.waitForSelector(`input[aria-label="${label}"]`);
    await (input as ElementHandle<HTMLInputElement>).uploadFile(...files);
  };
  const caption = async () => {
    await page.locator('::-p-xpath(//button[normalize-space()="Caption"])').click();
    // The page draws with the next frame: until then it shows the last caption as done.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)));
    await page.waitForSelector('output[data-phase="done"]', { timeout: 60_000 });
    return page.$$eval(".tokens li", (items) =>
      items.map((item) => Number((item as HTMLElement).dataset.tokenId)),
    );
  };
  await choose("Choose a photo", PHOTO);
  expect(await caption()).toEqual(bare.tokenIds);
  await choose("Add example photos", ...SHOTS.map(({ path }) => path));
  for (const [i, { text }] of SHOTS.entries()) {
    await page.locator(`[aria-label="Caption of example ${i + 1}"]`).fill(text);
  }
  expect(await caption()).toEqual(shown.tokenIds);
});
