/** Every file of `examples/`, with the tiny model in the place of the default one. */

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { chromium, expect, type Locator, type Page, test } from "@playwright/test";
import { createServer, type PreviewServer, preview } from "vite";
import { PHOTOS } from "./fixtures.js";
import { nativeCaptions } from "./native.js";
import { serveFolder } from "./package-server.js";
import { Folder } from "./packed.js";

const EXAMPLES = fileURLToPath(new URL("../../examples", import.meta.url));
const MODEL = "models/flamingo-smollm2-135m";
const [PHOTO = "", OTHER_PHOTO = ""] = PHOTOS;

/** What the program writes for the photos. */
let caption: string;
let otherCaption: string;

test.beforeAll(async () => {
  const captions = await nativeCaptions("models/tiny/model.json", [PHOTO, OTHER_PHOTO]);
  [caption = "", otherCaption = ""] = captions.map(({ text }) => text);
});

/** Chooses a photo, which the examples take once the model is there. */
async function choose(page: Page, photo: string): Promise<void> {
  const input = page.getByLabel("Photo");
  await expect(input).toBeEnabled({ timeout: 60_000 });
  await input.setInputFiles(photo);
}

/** Waits for a caption; pieces may begin with a space. */
const expectCaption = (output: Locator, text: string) =>
  expect(output).toHaveText(text, { timeout: 60_000 });

test.describe("built by Vite", () => {
  let server: PreviewServer;

  test.beforeAll(async () => {
    server = await preview({ root: EXAMPLES, logLevel: "error", preview: { port: 0 } });
  });

  test.afterAll(() => server.close());

  /** Opens a page of the examples. */
  async function open(page: Page, name: string): Promise<void> {
    await page.route(`**/${MODEL}/*`, (route) => {
      const file = new URL(route.request().url()).pathname.split("/").at(-1);
      const path = fileURLToPath(new URL(`../../models/tiny/${file}`, import.meta.url));
      return route.fulfill({ path });
    });
    await page.goto(new URL(name, server.resolvedUrls?.local[0]).href);
  }

  test("five lines", async ({ page }) => {
    await open(page, "embed.html");
    await choose(page, PHOTO);
    await expectCaption(page.locator("output"), caption);
    await choose(page, OTHER_PHOTO);
    await expectCaption(page.locator("output"), otherCaption);
  });

  test("the element", async ({ page }) => {
    await open(page, "element.html");
    const element = page.locator("flamingo-caption");
    await element.getByLabel("Choose a photo").setInputFiles(PHOTO);
    await element.getByRole("button", { name: "Caption" }).click();
    await expectCaption(element.locator("output"), caption);
  });

  test("a folder, and in it what is no photo", async ({ page }) => {
    const folder = new Folder();
    folder.copy("tests/fixtures/photos/README.md", "photos/0.txt");
    for (const [i, photo] of [PHOTO, OTHER_PHOTO].entries()) {
      folder.copy(photo, `photos/${i + 1}.webp`);
    }
    await open(page, "folder.html");
    await expect(page.getByLabel("Folder")).toBeEnabled({ timeout: 60_000 });
    await page.getByLabel("Folder").setInputFiles(`${folder.path}/photos`);
    await expect(page.locator("li")).toHaveCount(3, { timeout: 60_000 });
    await expect(page.locator("li").last()).not.toContainText("…", { timeout: 60_000 });
    const lines = (await page.locator("li").allTextContents()).sort();
    expect(lines.slice(1)).toEqual([`1.webp: ${caption}`, `2.webp: ${otherCaption}`]);
    expect(lines[0]).toMatch(/^0\.txt: .*(JPEG|PNG|WebP)/);
    folder.remove();
  });

  test("the camera, frame after frame", async ({ page }) => {
    await open(page, "camera.html");
    await page.evaluate(() => {
      const captions: string[] = [];
      Object.assign(window, { captions });
      const output = document.querySelector("output") as HTMLElement;
      const record = () => captions.push(output.textContent);
      new MutationObserver(record).observe(output, { childList: true });
    });
    await page.getByRole("button", { name: "Start" }).click();
    const captions = () =>
      page.evaluate(() => (window as unknown as { captions: string[] }).captions);
    await expect
      .poll(async () => (await captions()).length, { timeout: 60_000 })
      .toBeGreaterThan(2);
    expect(await captions()).not.toContain("");
  });

  test("questions, one after the other", async ({ page }) => {
    await open(page, "ask.html");
    await choose(page, PHOTO);
    const answers = page.locator("dd");
    for (const [i, question] of ["What is it?", "And where?"].entries()) {
      await page.getByLabel("Question").fill(question);
      await page.getByRole("button", { name: "Ask" }).click();
      await expect(answers).toHaveCount(i + 1);
      await expect(answers.nth(i)).not.toHaveText("", { timeout: 60_000 });
    }
    await expect(page.locator("dt")).toHaveText(["What is it?", "And where?"]);
  });

  test("a choice", async ({ page }) => {
    await open(page, "choose.html");
    await choose(page, PHOTO);
    await page.getByRole("button", { name: "Choose" }).click();
    const answers = page.locator("li");
    await expect(answers).toHaveText(["a dog", "a cat", "two people"], { timeout: 60_000 });
    const values = await page
      .locator("meter")
      .evaluateAll((meters) => meters.map((meter) => (meter as HTMLMeterElement).value));
    expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 6);
  });

  test("React", async ({ page }) => {
    await open(page, "react.html");
    await choose(page, PHOTO);
    await expectCaption(page.locator("output"), caption);
    // Another photo in the middle of a caption ends it.
    await choose(page, OTHER_PHOTO);
    await expect(page.locator("output")).not.toHaveText(caption);
    await choose(page, PHOTO);
    await expectCaption(page.locator("output"), caption);
  });
});

test.describe("with the package as npm installs it", () => {
  const folder = new Folder();

  test.beforeAll(() => {
    folder.install("flamingo-web");
    folder.copy("models/tiny", MODEL);
  });

  test.afterAll(() => folder.remove());

  test("Vite in development", async ({ page }) => {
    folder.copy(`${folder.path}/flamingo-web`, "vite/node_modules/flamingo-web");
    folder.copy(`${folder.path}/${MODEL}`, `vite/public/${MODEL}`);
    folder.copy("examples/embed.html", "vite/embed.html");
    const server = await createServer({
      root: `${folder.path}/vite`,
      configFile: `${EXAMPLES}/vite.config.ts`,
      // It misses the other pages.
      logLevel: "silent",
      server: { port: 0 },
    });
    await server.listen();
    await page.goto(new URL("embed.html", server.resolvedUrls?.local[0]).href);
    await choose(page, PHOTO);
    await expectCaption(page.locator("output"), caption);
    await server.close();
  });

  test("a copy on a server of files, without a build step", async ({ page }) => {
    folder.copy("examples/static/index.html", "index.html");
    const server = await serveFolder(folder.path);
    await page.goto(`${server.origin}/index.html`);
    await choose(page, PHOTO);
    await expectCaption(page.locator("output"), caption);
    await server.close();
  });

  test("code for the built-in Prompt API, with an import map in place of npm", async ({ page }) => {
    folder.copy("examples/static/prompt-api.html", "prompt-api.html");
    const server = await serveFolder(folder.path);
    // Where the browser has one of its own, that one would answer.
    await page.addInitScript(() => Reflect.deleteProperty(globalThis, "LanguageModel"));
    await page.goto(`${server.origin}/prompt-api.html`);
    await choose(page, PHOTO);
    await expectCaption(page.locator("output"), caption);
    await server.close();
  });

  test("an extension of the browser, under its policy", async ({ launchOptions }) => {
    folder.copy("examples/extension", ".");
    const context = await chromium.launchPersistentContext("", {
      ...launchOptions,
      args: [...(launchOptions.args ?? []), `--load-extension=${folder.path}`],
      ignoreDefaultArgs: ["--disable-extensions"],
    });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    await page.goto(`chrome-extension://${extensionId(folder.path)}/panel.html`);
    await choose(page, PHOTO);
    await expectCaption(page.locator("output"), caption);
    expect(complaints).toEqual([]);
    await context.close();
  });
});

/** What Chromium calls an extension that lies in a folder: the beginning of the path's SHA-256, in letters. */
function extensionId(path: string): string {
  const hash = createHash("sha256").update(path).digest("hex").slice(0, 32);
  return [...hash].map((digit) => "abcdefghijklmnop"[Number.parseInt(digit, 16)]).join("");
}
