/** Models by address and from the disk, what is kept of them, and the report of the device. */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, type Page, test } from "@playwright/test";
import { violations } from "./axe.js";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { PHOTOS } from "./fixtures.js";

const TINY = fileURLToPath(new URL("../../models/tiny", import.meta.url));
const [PHOTO = ""] = PHOTOS;

let app: CaptionPage;

test.beforeEach(async ({ page }) => {
  app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  await app.goTo("Models");
});

const current = (page: Page) => page.locator('.model[data-current="true"]');

test("what is kept is told and can be removed; the default model is offered", async ({ page }) => {
  await expect(current(page)).toContainText("tiny");
  await expect(current(page)).toContainText("kept for offline use");
  await expect(current(page)).toContainText(/\d MB of\s+memory/);
  const { licence } = JSON.parse(readFileSync(join(TINY, "model.json"), "utf8"));
  await expect(current(page)).toContainText(licence);
  const usual = page.locator(".model", { hasText: "smollm2-135m" });
  await expect(usual).toContainText("not kept");
  await expect(usual.getByRole("button", { name: /^Use/ })).toBeVisible();
  await current(page)
    .getByRole("button", { name: /^Remove/ })
    .click();
  await expect(current(page)).toContainText("not kept");
  // What is loaded stays loaded.
  await app.goTo("Caption");
  await app.choosePhoto(PHOTO);
  expect((await app.caption()).tokenIds).not.toEqual([]);
});

test("a model from the disk is checked and used, and writes what the served one writes", async ({
  page,
}) => {
  await app.goTo("Caption");
  await app.choosePhoto(PHOTO);
  const served = await app.caption();
  await app.goTo("Models");
  await page.getByLabel("Choose a model's folder").setInputFiles(TINY);
  await expect(current(page)).toContainText("from the disk");
  await app.ready();
  await app.goTo("Caption");
  expect(await app.caption()).toEqual(served);
});

test("a folder without a model, and one with a damaged shard, are refused in words", async ({
  page,
}) => {
  const folder = test.info().outputPath("empty");
  mkdirSync(folder);
  writeFileSync(join(folder, "notes.txt"), "no model");
  const input = page.getByLabel("Choose a model's folder");
  await input.setInputFiles(folder);
  await expect(app.error).toHaveAttribute("data-code", "model-file");
  await expect(app.error).toContainText("model.json");
  // The model in use was not given up for it.
  await expect(app.status).toHaveAttribute("data-phase", "ready");

  const damaged = test.info().outputPath("damaged");
  cpSync(TINY, damaged, { recursive: true });
  const shard = join(damaged, "weights-000.bin");
  const bytes = readFileSync(shard);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  writeFileSync(shard, bytes);
  await input.setInputFiles(damaged);
  await expect(app.status).toHaveAttribute("data-phase", "failed");
  await expect(app.error).toHaveAttribute("data-code", "hash-mismatch");
  await expect(app.error).toContainText("damaged/weights-000.bin");
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await violations(page), colorScheme).toEqual([]);
  }
});

test("an address that is no model is refused, and the model in use stays", async ({ page }) => {
  const address = new URL("flamingo.svg", page.url()).href;
  await page.getByLabel("Address of a model.json").fill(address);
  await page.getByRole("button", { name: "Load" }).click();
  await expect(app.error).toHaveAttribute("data-code", "manifest");
  await expect(app.status).toHaveAttribute("data-phase", "ready");
});

test("a model by address is loaded, and its address is kept in the page's", async ({ page }) => {
  const address = new URL(`${TINY_MODEL}?again`, page.url()).href;
  await page.getByLabel("Address of a model.json").fill(address);
  await page.getByRole("button", { name: "Load" }).click();
  await expect(current(page)).toContainText("again");
  await app.ready();
  expect(new URL(page.url()).searchParams.get("model")).toBe(`${TINY_MODEL}?again`);
});

test("the report of the device is on show and in the clipboard", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const report = page.locator(".device-report");
  await expect(report.first()).toContainText("Runs on");
  await expect(report.first()).toContainText("WebAssembly heap");
  await page.getByText("What the browser offers").click();
  await expect(report.last()).toContainText("maxStorageBufferBindingSize");
  await page.getByRole("button", { name: "Copy for a report" }).click();
  await expect(page.getByRole("button", { name: "Copied" })).toBeVisible();
  const text = await page.evaluate(() => navigator.clipboard.readText());
  expect(text).toMatch(/^Model: .*tiny/);
  expect(text).toContain("Runs on: CPU\n");
  expect(text).toMatch(/\nBrowser: Mozilla/);
});
