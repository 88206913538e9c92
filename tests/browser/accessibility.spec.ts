/** What everyone can use, what never stutters, and what is small. */

import { gzipSync } from "node:zlib";
import { expect, type Page, test } from "@playwright/test";
import { violations } from "./axe.js";
import { BoardPage } from "./board-page.js";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { PHOTOS } from "./fixtures.js";

const [PHOTO = "", OTHER_PHOTO = ""] = PHOTOS;
/** The address of every view, as the page's navigation has it. */
async function views(page: Page): Promise<string[]> {
  return page
    .getByRole("navigation", { name: "Views" })
    .getByRole("link")
    .evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).hash));
}

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`in ${colorScheme} colours`, () => {
    test.use({ colorScheme });

    test("every view passes axe, empty and on a phone", async ({ page }) => {
      const app = new CaptionPage(page);
      await app.open(TINY_MODEL, "cpu");
      await app.ready();
      for (const view of await views(page)) {
        await page.evaluate((view) => {
          location.hash = view;
        }, view);
        await expect(page.locator(`main > ${view.slice(2)}-view h1`)).toBeVisible();
        for (const size of [
          { width: 1280, height: 900 },
          { width: 360, height: 740 },
        ]) {
          await page.setViewportSize(size);
          expect(await violations(page), `${view} at ${size.width}`).toEqual([]);
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - innerWidth,
          );
          expect(overflow, `${view} at ${size.width} scrolls sideways`).toBeLessThanOrEqual(0);
        }
      }
    });

    test("a caption with its tokens, map, examples and sets passes axe", async ({ page }) => {
      const app = new CaptionPage(page);
      await app.open(TINY_MODEL, "cpu");
      await app.ready();
      await app.choosePhoto(PHOTO);
      await new BoardPage(page).add([OTHER_PHOTO], ["a dog"]);
      await app.caption();
      await app.tokens.getByRole("button").first().click();
      await page.getByText("Ready-made sets").click();
      await page.getByText("Questions and answers").click();
      expect(await violations(page)).toEqual([]);
      await page.getByText("On the CPU").click();
      await expect(app.device).toBeVisible();
      expect(await violations(page)).toEqual([]);
    });

    test("answers, choices, fields, failures and the camera pass axe", async ({ page }) => {
      const app = new CaptionPage(page);
      await app.open(TINY_MODEL, "cpu", "ask");
      await app.ready();
      await app.choosePhoto(PHOTO);
      await page.getByLabel("Your question").fill("What is it?");
      await page.getByLabel("Your question").press("Enter");
      await expect(app.output).toHaveAttribute("data-phase", "done", { timeout: 60_000 });
      expect(await violations(page)).toEqual([]);

      await app.goTo("Choose");
      await app.choosePhoto(PHOTO);
      await page.getByLabel("Answer 1", { exact: true }).fill("a dog");
      await page.getByLabel("Answer 2", { exact: true }).fill("a cat");
      await page.getByRole("button", { name: "Choose", exact: true }).click();
      await expect(page.locator(".choices")).toHaveAttribute("data-phase", "done");
      expect(await violations(page)).toEqual([]);

      await app.goTo("Decide");
      await app.choosePhoto(PHOTO);
      await page.getByLabel("Name of field 1").fill("a dog");
      await page.getByRole("button", { name: "Add a field" }).click();
      await page.getByLabel("Name of field 2").fill("place");
      await page.getByLabel("Kind of field 2").selectOption("One of a list");
      await page.getByLabel("Values of field 2").fill("street, beach");
      await page.getByRole("button", { name: "Fill in", exact: true }).click();
      await expect(page.locator(".decision li")).toHaveCount(2);
      expect(await violations(page)).toEqual([]);

      await page.locator(".stage").getByRole("button", { name: "Camera" }).click();
      await expect(page.getByRole("button", { name: "Take photo" })).toBeEnabled();
      expect(await violations(page)).toEqual([]);
      await page.getByRole("button", { name: "Cancel" }).click();

      await app.open("models/none/model.json", "cpu");
      await expect(app.error).toHaveAttribute("data-code", "http-status");
      expect(await violations(page)).toEqual([]);
    });
  });
}

test("the keyboard alone goes to a view, past the navigation and to a caption", async ({
  page,
}) => {
  // From the beginning: the browser takes a moment until it hands its dialogs over.
  page.on("filechooser", (chooser) => chooser.setFiles(PHOTO));
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu", "ask");
  await app.ready();
  await page.keyboard.press("Tab");
  await expect(page.getByText("Skip to the content")).toBeFocused();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Caption" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator("main > caption-view")).toBeVisible();
  await page.getByText("Skip to the content").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await expect(page.getByLabel("Choose a photo")).toBeFocused();
  await page.keyboard.press("Space");
  await expect(page.getByLabel(/^Choose another photo/)).toHaveCount(1);
  await app.captionButton.focus();
  await page.keyboard.press("Enter");
  await expect(app.output).toHaveAttribute("data-phase", "done", { timeout: 60_000 });
  await app.tokens.getByRole("button").first().focus();
  await page.keyboard.press("Space");
  await expect(page.locator(".alternatives")).toBeVisible();
});

test("a reader who wants no motion gets none", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  await app.choosePhoto(PHOTO);
  // Everything that moves while the text is written, and when a pointer comes.
  await page.evaluate(() => {
    const seen = new Set<string>();
    Object.assign(window, { seen });
    new MutationObserver(() => {
      for (const animation of document.getAnimations()) {
        if (animation.effect?.getComputedTiming().duration !== 0)
          seen.add(animation.id || "motion");
      }
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  await app.captionButton.hover();
  await app.caption();
  expect(await page.evaluate(() => [...(window as unknown as { seen: Set<string> }).seen])).toEqual(
    [],
  );
});

test("no task of the page's thread takes 50 ms while the model loads and works", async ({
  page,
}) => {
  await page.addInitScript(() => {
    const tasks: { start: number; duration: number }[] = [];
    Object.assign(window, { tasks });
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        tasks.push({ start: startTime, duration });
      }
    }).observe({ type: "longtask", buffered: true });
  });
  const tasksSince = async (start: number) =>
    (
      await page.evaluate(
        () => (window as unknown as { tasks: { start: number; duration: number }[] }).tasks,
      )
    )
      // The two clocks are rounded, each in its own way, by less than this. No task that took long
      // before can have begun within it.
      .filter((task) => task.start >= start - 1);
  const app = new CaptionPage(page);

  // Where other programs have the cores, any task takes long now and then; what the page itself
  // does takes as long in every visit.
  await expect(async () => {
    await app.open(TINY_MODEL, "cpu");
    await expect(page.locator("main h1")).toBeVisible();
    const start = await page.evaluate(() => performance.now());
    await app.ready();
    await app.choosePhoto(PHOTO);
    await new BoardPage(page).add([OTHER_PHOTO], ["a dog"]);
    await app.caption();
    await app.goTo("Ask");
    await app.choosePhoto(PHOTO);
    await page.getByLabel("Your question").fill("What is it?");
    await page.getByLabel("Your question").press("Enter");
    await expect(app.output).toHaveAttribute("data-phase", "done", { timeout: 60_000 });
    expect(await tasksSince(start)).toEqual([]);
  }).toPass({ timeout: 60_000 });

  // One that is made on purpose is seen.
  const start = await page.evaluate(() => {
    setTimeout(() => {
      const end = performance.now() + 80;
      while (performance.now() < end);
    });
    return performance.now();
  });
  await expect.poll(async () => (await tasksSince(start)).length).toBeGreaterThan(0);
});

/** As hosts send it: every one of them compresses text. */
test("the first view weighs less than 100 kB before the WebAssembly", async ({ page }) => {
  const sizes: Record<string, number> = {};
  page.on("response", async (response) => {
    const { pathname } = new URL(response.url());
    if (pathname.endsWith(".wasm") || pathname.startsWith("/models/")) return;
    sizes[pathname] = gzipSync(await response.body()).length;
  });
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  // The page, its styles, its scripts, and the Worker's.
  expect(Object.keys(sizes).filter((path) => path.endsWith(".js")).length).toBeGreaterThan(2);
  const total = Object.values(sizes).reduce((sum, size) => sum + size, 0);
  expect(total, JSON.stringify(sizes)).toBeLessThan(100_000);
  console.log(`first view: ${(total / 1000).toFixed(1)} kB gzipped`);
});
