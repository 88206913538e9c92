/** `<flamingo-caption>` in a page of plain HTML, with the tiny model. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, type Locator, type Page, test } from "@playwright/test";
import type {} from "../../web/dist/element.js";
import { TINY_MODEL } from "./caption-page.js";
import { PHOTOS, SHOTS } from "./fixtures.js";
import { type PackageServer, pathInClone, servePackage } from "./package-server.js";

const MODEL = `/${TINY_MODEL}`;
const [PHOTO = "", OTHER_PHOTO = ""] = PHOTOS.map(pathInClone);

const html = (body: string, origin = "") => `<!doctype html>
<html lang="en">
<title>element</title>
<script type="module" src="${origin}/web/dist/element.js"></script>
${body}
</html>`;

const figures = SHOTS.map(
  ({ path, text }) =>
    `<figure><img src="${pathInClone(path)}" alt=""><figcaption>${text}</figcaption></figure>`,
);

let server: PackageServer;

test.beforeAll(async () => {
  server = await servePackage({
    "/one": html(
      `<flamingo-caption model="${MODEL}" src="${PHOTO}" device="cpu" alt="A slide"></flamingo-caption>`,
    ),
    "/two": html(`
      <flamingo-caption id="a" model="${MODEL}" src="${PHOTO}" device="cpu"></flamingo-caption>
      <flamingo-caption id="b" model="${MODEL}" src="${OTHER_PHOTO}" device="cpu"></flamingo-caption>`),
    "/shots": html(`
      <template id="examples">${figures.join("")}</template>
      <flamingo-caption model="${MODEL}" src="${PHOTO}" device="cpu" shots="#examples"></flamingo-caption>`),
    "/file": html(`<flamingo-caption model="${MODEL}" device="cpu"></flamingo-caption>`),
    "/live": html(`<flamingo-caption model="${MODEL}" device="cpu" live></flamingo-caption>`),
    "/auto": html(
      `<flamingo-caption model="${MODEL}" src="${PHOTO}" device="cpu" auto></flamingo-caption>`,
    ),
    "/wrong": html(
      `<flamingo-caption model="/nowhere/model.json" src="${PHOTO}" device="cpu"></flamingo-caption>`,
    ),
  });
});

test.afterAll(() => server.close());

/** Opens a page and returns its first element. */
async function open(page: Page, path: string): Promise<Locator> {
  await page.goto(`${server.origin}${path}`);
  const element = page.locator("flamingo-caption").first();
  await expect.poll(() => element.evaluate((element) => "start" in element)).toBe(true);
  return element;
}

const phase = (element: Locator) =>
  element.evaluate((element: HTMLElementTagNameMap["flamingo-caption"]) => element.phase);

const textOf = (element: Locator) =>
  element.evaluate((element: HTMLElementTagNameMap["flamingo-caption"]) => element.text);

/** Waits for the caption that is being written, and returns it. */
async function written(element: Locator): Promise<string> {
  await expect.poll(() => phase(element), { timeout: 60_000 }).toMatch(/done|failed/);
  expect(await element.getByRole("alert").allTextContents()).toEqual([]);
  const text = await textOf(element);
  await expect(element.locator("output")).toHaveText(text);
  return text;
}

/** What the package itself writes for the photo. */
function expected(page: Page, photo: string, shots: typeof SHOTS = []): Promise<string> {
  return page.evaluate(
    async ({ url, photo, shots }) => {
      const { Flamingo } = await import(/* @vite-ignore */ `${location.origin}/web/dist/index.js`);
      const blob = async (path: string) => (await fetch(path)).blob();
      const model = await Flamingo.load(url, { device: "cpu" });
      const examples = shots.map(async ({ path, text }) => ({ image: await blob(path), text }));
      const session = model.session({ shots: await Promise.all(examples) });
      const { text } = await session.caption(await blob(photo)).result;
      model.dispose();
      return text;
    },
    {
      url: MODEL,
      photo,
      shots: shots.map(({ path, text }) => ({ path: pathInClone(path), text })),
    },
  );
}

test("writes what the package writes, by keyboard alone, and tells each step", async ({ page }) => {
  const models: string[] = [];
  page.on("request", (request) => {
    if (request.url().includes("/models/")) models.push(request.url());
  });
  const element = await open(page, "/one");
  // Nobody asked for a model yet.
  await page.waitForLoadState("networkidle");
  expect(models).toEqual([]);
  await element.evaluate((element) => {
    const heard: string[] = [];
    Object.assign(window, { heard });
    for (const type of ["progress", "ready", "token", "caption", "error"]) {
      element.addEventListener(type, () => heard.push(type));
    }
  });
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  const text = await written(element);
  expect(text).toBe(await expected(page, PHOTO));

  const heard = await page.evaluate(() => (window as unknown as { heard: string[] }).heard);
  const order = heard.filter((type, i) => type !== heard[i - 1]);
  expect(order).toEqual(["progress", "ready", "token", "caption"]);
});

test("a screen reader finds the picture, the button and the caption", async ({ page }) => {
  const element = await open(page, "/one");
  await expect(element).toMatchAriaSnapshot(`
    - figure:
      - img "A slide"
    - button "Caption"
  `);
  await element.getByRole("button").click();
  await written(element);
  await expect(element.locator("output")).toHaveAttribute("aria-live", "polite");
  await expect(element.locator("output")).toHaveAttribute("aria-busy", "false");
});

test("two share one model, and it goes with the last", async ({ page }) => {
  const manifests: string[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith("model.json")) manifests.push(request.url());
  });
  const [a, b] = [await open(page, "/two"), page.locator("#b")];
  await a.getByRole("button").click();
  await b.getByRole("button").click();
  const [first, second] = [await written(a), await written(b)];
  expect(page.workers()).toHaveLength(1);
  expect(manifests).toHaveLength(1);

  await a.evaluate((element) => element.remove());
  await b.getByRole("button").click();
  expect(await written(b)).toBe(second);
  expect(page.workers()).toHaveLength(1);
  await b.evaluate((element) => element.remove());
  await expect.poll(() => page.workers().length).toBe(0);

  expect(first).toBe(await expected(page, PHOTO));
  expect(second).toBe(await expected(page, OTHER_PHOTO));
});

test("examples are the figures of a template, or a list", async ({ page }) => {
  const element = await open(page, "/shots");
  await element.getByRole("button").click();
  const shown = await written(element);
  expect(shown).toBe(await expected(page, PHOTO, SHOTS));

  await element.evaluate((element: HTMLElementTagNameMap["flamingo-caption"]) => {
    element.shots = [];
  });
  await element.getByRole("button").click();
  const bare = await written(element);
  expect(bare).not.toBe(shown);
  expect(bare).toBe(await expected(page, PHOTO));
});

test("a picture can be chosen where none is given", async ({ page }) => {
  const element = await open(page, "/file");
  await expect(element.getByRole("button", { name: "Caption" })).toBeDisabled();
  await element.getByLabel("Choose a photo").setInputFiles(PHOTOS[0] ?? "");
  await expect(element.getByRole("img")).toBeVisible();
  await element.getByRole("button", { name: "Caption" }).click();
  expect(await written(element)).toBe(await expected(page, PHOTO));
});

test("Escape stops it, what is written stays, and the next one is whole", async ({ page }) => {
  const element = await open(page, "/one");
  await element.getByRole("button").click();
  const whole = await written(element);
  await element.evaluate((element: HTMLElementTagNameMap["flamingo-caption"]) => {
    element.addEventListener("token", () => {
      if (element.text.length < 3) return;
      element.shadowRoot?.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    });
  });
  await element.getByRole("button").click();
  await expect.poll(() => phase(element), { timeout: 60_000 }).toBe("stopped");
  const stopped = await textOf(element);
  expect(stopped.length).toBeGreaterThan(0);
  expect(stopped.length).toBeLessThan(whole.length);
  expect(whole.startsWith(stopped)).toBe(true);
});

test("a failure is shown, told, and gone with the next start", async ({ page }) => {
  const element = await open(page, "/wrong");
  await element.evaluate((element: HTMLElementTagNameMap["flamingo-caption"]) => {
    element.addEventListener("error", ({ detail }) => Object.assign(window, { code: detail.code }));
  });
  await element.getByRole("button").click();
  await expect(element.getByRole("alert")).toContainText("404");
  expect(await page.evaluate(() => (window as unknown as { code: string }).code)).toBe(
    "http-status",
  );
  expect(page.workers()).toEqual([]);
  await element.evaluate((element: HTMLElementTagNameMap["flamingo-caption"], model) => {
    element.model = model;
  }, MODEL);
  await element.getByRole("button").click();
  expect(await written(element)).not.toBe("");
});

test("auto starts by itself, and again with another picture", async ({ page }) => {
  const element = await open(page, "/auto");
  const first = await written(element);
  await element.evaluate((element: HTMLElementTagNameMap["flamingo-caption"], src) => {
    element.src = src;
  }, OTHER_PHOTO);
  await expect.poll(() => written(element)).not.toBe(first);
});

test("live captions what the camera sees, one frame after another, until it is stopped", async ({
  page,
}) => {
  const element = await open(page, "/live");
  await element.evaluate((element) => {
    Object.assign(window, { captions: 0 });
    element.addEventListener("caption", () => {
      (window as unknown as { captions: number }).captions += 1;
    });
  });
  const captions = () => page.evaluate(() => (window as unknown as { captions: number }).captions);
  await element.getByRole("button", { name: "Caption" }).click();
  await expect.poll(captions, { timeout: 60_000 }).toBeGreaterThan(1);
  await expect(element.locator("output")).toHaveAttribute("aria-live", "off");
  expect(
    await element.locator("video").evaluate((video) => (video as HTMLVideoElement).paused),
  ).toBe(false);
  await element.getByRole("button", { name: "Stop" }).click();
  await expect.poll(() => phase(element)).toBe("stopped");
  // The camera is let go of.
  await expect
    .poll(() => element.locator("video").evaluate((video) => (video as HTMLVideoElement).srcObject))
    .toBe(null);
  const count = await captions();
  await page.waitForTimeout(1000);
  expect(await captions()).toBe(count);
});

test("live in a frame that gives it no camera names the attribute that does", async ({ page }) => {
  const stranger = await servePackage(
    {
      "/closed": `<!doctype html><title>frame</title><iframe src="${server.origin}/live"></iframe>`,
      "/open": `<!doctype html><title>frame</title><iframe allow="camera" src="${server.origin}/live"></iframe>`,
    },
    { policy: `default-src 'none'; frame-src ${server.origin}` },
  );
  const element = page.frameLocator("iframe").locator("flamingo-caption");
  await page.goto(`${stranger.origin}/closed`);
  await element.getByRole("button", { name: "Caption" }).click();
  await expect(element.getByRole("alert")).toContainText(
    'give the <iframe> that shows this page the attribute allow="camera"',
  );
  await page.goto(`${stranger.origin}/open`);
  await element.getByRole("button", { name: "Caption" }).click();
  await expect.poll(() => textOf(element), { timeout: 60_000 }).not.toBe("");
  await stranger.close();
});

test("a picture without type or name, and one of another format, are captioned", async ({
  page,
}) => {
  const element = await open(page, "/file");
  const file = element.locator('input[type="file"]');
  for (const path of [
    PHOTOS[0] ?? "",
    fileURLToPath(new URL("media/photo.avif", import.meta.url)),
  ]) {
    const buffer = readFileSync(path);
    await file.setInputFiles({ name: "picture", mimeType: "application/octet-stream", buffer });
    await element.getByRole("button", { name: "Caption" }).click();
    expect(await written(element)).not.toBe("");
  }
});

/** A page of another origin than everything it uses, also in a sandboxed frame. */
function serveStranger(): Promise<PackageServer> {
  const { origin } = server;
  const policy = [
    "default-src 'none'",
    "frame-src 'self'",
    `script-src ${origin} 'wasm-unsafe-eval'`,
    `worker-src blob: data: ${origin}`,
    `connect-src ${origin}`,
    `img-src ${origin}`,
  ].join("; ");
  const tag = `<flamingo-caption model="${origin}${MODEL}" src="${origin}${PHOTO}" device="cpu"></flamingo-caption>`;
  const frame = `<!doctype html><title>frame</title><iframe sandbox="allow-scripts" src="/"></iframe>`;
  return servePackage({ "/": html(tag, origin), "/framed": frame }, { policy });
}

test("serves a page of another origin, with script, module, shards and picture from its own", async ({
  page,
}) => {
  const stranger = await serveStranger();
  await page.goto(stranger.origin);
  const element = page.locator("flamingo-caption");
  await element.getByRole("button").click();
  const text = await written(element);
  await page.goto(`${server.origin}/one`);
  expect(text).toBe(await expected(page, PHOTO));
  await stranger.close();
});

test("works in a sandboxed frame, where nothing can be kept", async ({ page }) => {
  const stranger = await serveStranger();
  const shards: string[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith(".bin")) shards.push(request.url());
  });
  await page.goto(`${stranger.origin}/framed`);
  const frame = page.frameLocator("iframe");
  const element = frame.locator("flamingo-caption");
  await element.evaluate((element: HTMLElementTagNameMap["flamingo-caption"]) => {
    element.addEventListener("progress", ({ detail }) => {
      if (detail.status === "warning") element.title = detail.code;
    });
  });
  await element.getByRole("button").click();
  const text = await written(element);
  await expect(element).toHaveAttribute("title", "storage-refused");

  // The page's memory keeps it for another device.
  const { length } = shards.splice(0);
  expect(length).toBeGreaterThan(0);
  await element.evaluate((element: HTMLElementTagNameMap["flamingo-caption"]) => {
    element.device = "webgpu";
  });
  await element.getByRole("button").click();
  expect(await written(element)).toBe(text);
  expect(shards).toEqual([]);
  await stranger.close();
});

test("a page dresses it by parts and custom properties, and words it by slots", async ({
  page,
}) => {
  const element = await open(page, "/one");
  await element.evaluate((element) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
      flamingo-caption { --flamingo-accent: rgb(0, 128, 0); }
      flamingo-caption::part(caption) { text-transform: uppercase; }`);
    document.adoptedStyleSheets = [sheet];
    const words = document.createElement("span");
    words.slot = "start";
    words.textContent = "Beschreiben";
    element.append(words);
  });
  const button = element.getByRole("button", { name: "Beschreiben" });
  await expect(button).toHaveCSS("background-color", "rgb(0, 128, 0)");
  await expect(element.locator("output")).toHaveCSS("text-transform", "uppercase");
});
