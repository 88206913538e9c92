/** The hooks, with the real React in StrictMode, in a page that Vite built. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, type Page, test } from "@playwright/test";
import { build } from "vite";
import { PHOTOS } from "./fixtures.js";
import type { Calls, Controls } from "./hooks-page.js";
import { type PackageServer, serveFolder } from "./package-server.js";
import { Folder } from "./packed.js";

const folder = new Folder();
let server: PackageServer;
/** What React complained of. */
let complaints: string[];

declare global {
  interface Window {
    change(controls: Controls): void;
    calls: Calls;
    end(): void;
  }
}

test.beforeAll(async () => {
  await build({
    configFile: false,
    logLevel: "error",
    // Only React's development build complains, and has effects run twice.
    mode: "development",
    define: { "process.env.NODE_ENV": '"development"' },
    worker: { format: "es" },
    base: "./",
    build: {
      outDir: folder.path,
      emptyOutDir: false,
      target: "es2022",
      minify: false,
      rolldownOptions: {
        input: fileURLToPath(new URL("hooks-page.ts", import.meta.url)),
        output: { entryFileNames: "page.js" },
      },
    },
  });
  folder.copy("models/tiny", "models/tiny");
  const html =
    '<!doctype html><link rel="icon" href="data:," /><body><script type="module" src="page.js"></script>';
  server = await serveFolder(folder.path, { "/": html });
});

test.beforeEach(async ({ page }) => {
  complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(server.origin);
  await page.waitForFunction(() => "change" in window);
});

test.afterEach(() => {
  expect(complaints).toEqual([]);
});

test.afterAll(async () => {
  await server.close();
  folder.remove();
});

const change = (page: Page, controls: Controls) =>
  page.evaluate((controls) => window.change(controls), controls);

/** The photo stays on this side of `evaluate` as a list. */
async function show(page: Page, photo: string): Promise<void> {
  const bytes = [...readFileSync(photo)];
  await page.evaluate((bytes) => window.change({ photo: Uint8Array.from(bytes) }), bytes);
}

const calls = (page: Page) => page.evaluate(() => ({ ...window.calls }));

test("components share a model, which is loaded once and goes with the last of them", async ({
  page,
}) => {
  const requests: string[] = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  await change(page, { view: "captions" });
  await expect(page.getByLabel("one")).toHaveAttribute("data-status", "ready", { timeout: 60_000 });
  await show(page, PHOTOS[0] ?? "");
  for (const name of ["one", "two"]) {
    const output = page.getByLabel(name);
    await expect(output).toHaveAttribute("data-caption", "done", { timeout: 60_000 });
  }
  const text = await page.getByLabel("one").textContent();
  expect(text).not.toBe("");
  await expect(page.getByLabel("two")).toHaveText(text ?? "");
  expect(requests.filter((path) => path.endsWith("model.json"))).toHaveLength(1);
  expect(page.workers()).toHaveLength(1);

  await page.evaluate(() => window.change({ photo: Uint8Array.of(1, 2, 3) }));
  await expect(page.getByLabel("one")).toHaveText(/JPEG/);

  await page.evaluate(() => window.change({ view: undefined as never }));
  await expect.poll(() => page.workers().length).toBe(0);
});

test("a model that failed is loaded anew when it is asked for again", async ({ page }) => {
  let there = false;
  await page.route("**/models/later/*", (route) => {
    const file = new URL(route.request().url()).pathname.split("/").at(-1);
    return there
      ? route.fulfill({ path: `${folder.path}/models/tiny/${file}` })
      : route.fulfill({ status: 404 });
  });
  await change(page, { view: "later" });
  const later = page.getByLabel("later");
  await expect(later).toHaveText("http-status");
  await expect(later).toHaveAttribute("data-status", "failed");
  // The browser's own words for it.
  expect(complaints.splice(0).every((text) => text.includes("404"))).toBe(true);
  there = true;
  await page.getByRole("button", { name: "Again" }).click();
  await expect(later).toHaveAttribute("data-status", "ready", { timeout: 60_000 });
  await expect(later).toHaveText("1");
});

test("a caption ends where its picture changes and where its component goes", async ({ page }) => {
  await change(page, { view: "stand-in" });
  await page.evaluate(() => window.change({ photo: Uint8Array.of(1) }));
  await expect(page.getByLabel("caption")).toHaveText("some");
  // A session for captions and one for decisions, each made twice by StrictMode.
  expect(await calls(page)).toMatchObject({ made: 4, alive: 2, running: 1, stopped: 0 });

  await page.evaluate(() => window.change({ photo: Uint8Array.of(2) }));
  await expect.poll(() => calls(page)).toMatchObject({ running: 1, stopped: 1 });
  await page.evaluate(() => window.end());
  await expect(page.getByLabel("caption")).toHaveText("some thing");
  await expect(page.getByLabel("caption")).toHaveAttribute("data-status", "done");

  await page.evaluate(() => window.change({ photo: Uint8Array.of(3) }));
  await expect(page.getByLabel("caption")).toHaveText("some");
  const { renderings } = await calls(page);
  await page.evaluate(() => window.change({ view: undefined as never }));
  await expect.poll(() => calls(page)).toMatchObject({ alive: 0, running: 0, stopped: 2, made: 4 });
  await page.evaluate(() => window.end());
  expect((await calls(page)).renderings).toBe(renderings);
});

test("a decision is made anew where its question changes", async ({ page }) => {
  await change(page, { view: "stand-in" });
  const decision = async () => JSON.parse((await page.getByLabel("decision").textContent()) ?? "");
  expect(await decision()).toEqual({ status: "idle", leaves: [] });
  await page.evaluate(() => window.change({ photo: Uint8Array.of(7) }));
  await expect.poll(decision).toEqual({
    status: "done",
    value: { image: 7, schema: { type: "boolean" }, question: "" },
    probability: 0.5,
    leaves: [{ path: "/image", value: 7, probability: 0.5 }],
  });
  await change(page, { question: "Is it?" });
  await expect.poll(decision).toMatchObject({ status: "done", value: { question: "Is it?" } });
  await change(page, { deciding: false });
  await expect.poll(decision).toMatchObject({
    status: "failed",
    error: "the schema is refused",
  });
});

test("captions follow a camera until they are told not to", async ({ page }) => {
  await change(page, { view: "live" });
  const live = page.getByLabel("live");
  const count = async () => Number(await live.getAttribute("data-count"));
  await expect.poll(count, { timeout: 60_000 }).toBeGreaterThan(1);
  await expect(live).not.toHaveText("");
  await change(page, { enabled: false });
  await expect(live).toHaveAttribute("data-status", "idle");
  await change(page, { enabled: true });
  await expect.poll(count, { timeout: 60_000 }).toBeGreaterThan(1);
});
