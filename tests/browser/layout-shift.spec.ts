/** The page stays where it is while the model loads: nobody presses what has just moved. */

import { setTimeout as pause } from "node:timers/promises";
import { expect, type Page, test } from "@playwright/test";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";

// Scroll bars come and go with the height of the page, and are seen here as a user sees them.
test.use({
  launchOptions: async ({ launchOptions }, use) => {
    await use({ ...launchOptions, ignoreDefaultArgs: ["--hide-scrollbars"] });
  },
});

/** What is kept of a visit, in the page. */
interface Seen {
  /** Layout shifts that no input explains, summed up. */
  shift: number;
  /** Heights of the model's bar in pixels, by the phase of the loading. */
  readonly heights: Record<string, number[]>;
}

/** Keeps the page's layout shifts and the height of the bar from the first moment on. */
function look(): void {
  const seen: Seen = { shift: 0, heights: {} };
  Object.assign(window, { seen });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { value, hadRecentInput } = entry as PerformanceEntry & {
        readonly value: number;
        readonly hadRecentInput: boolean;
      };
      if (!hadRecentInput) seen.shift += value;
    }
  }).observe({ type: "layout-shift", buffered: true });
  const measure = () => {
    const bar = document.querySelector(".model-bar");
    const phase = bar?.querySelector<HTMLElement>("[data-phase]")?.dataset.phase;
    if (bar !== null && phase !== undefined) {
      seen.heights[phase] ??= [];
      const height = Math.round(bar.getBoundingClientRect().height);
      if (!seen.heights[phase]?.includes(height)) seen.heights[phase]?.push(height);
    }
    requestAnimationFrame(measure);
  };
  requestAnimationFrame(measure);
}

/** What was seen so far, once the frames that are under way have been drawn. */
async function seenBy(page: Page): Promise<Seen> {
  return page.evaluate(async () => {
    const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));
    for (let i = 0; i < 3; i++) await frame();
    return (window as unknown as { seen: Seen }).seen;
  });
}

for (const [name, viewport] of [
  ["a phone", { width: 412, height: 823 }],
  ["a narrow phone", { width: 320, height: 640 }],
  ["a desktop computer", { width: 1350, height: 940 }],
] as const) {
  for (const device of ["cpu", "webgpu"] as const) {
    test(`on ${name}, with ${device}, nothing moves until the model is ready`, async ({ page }) => {
      await page.setViewportSize(viewport);
      await page.addInitScript(look);
      // Slow enough for every phase to be drawn.
      await page.route("**/models/tiny/*", async (route) => {
        await pause(400);
        await route.continue();
      });
      const app = new CaptionPage(page);
      await app.open(TINY_MODEL, device);
      await app.ready();
      await expect(page.locator("main h1")).toBeVisible();
      const { shift, heights } = await seenBy(page);
      expect(Object.keys(heights)).toEqual(expect.arrayContaining(["starting", "ready"]));
      expect(new Set(Object.values(heights).flat()).size, JSON.stringify(heights)).toBe(1);
      expect(shift).toBeLessThan(0.1);
      console.log(`layout shift on ${name}, ${device}: ${shift.toFixed(3)}`);

      // One that is made on purpose is seen.
      await page.evaluate(() => {
        const intruder = document.createElement("div");
        intruder.textContent = "An intruder";
        intruder.setAttribute("class", "waiting");
        document.querySelector("main")?.before(intruder);
      });
      await expect.poll(async () => (await seenBy(page)).shift).toBeGreaterThan(shift);
    });
  }
}

for (const view of ["ask", "choose", "decide", "clip", "live", "models"]) {
  test(`nor does anything of ${view} on a phone`, async ({ page }) => {
    await page.setViewportSize({ width: 412, height: 823 });
    await page.addInitScript(look);
    const app = new CaptionPage(page);
    await app.open(TINY_MODEL, "cpu", view);
    await app.ready();
    await expect(page.locator("main h1")).toBeVisible();
    expect((await seenBy(page)).shift).toBeLessThan(0.1);
  });
}

test("why a device was taken unfolds over the view, and folds up when the user is elsewhere", async ({
  page,
}) => {
  await page.addInitScript(look);
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  const { shift } = await seenBy(page);
  const summary = page.getByText("On the CPU");
  await expect(app.device).toBeHidden();
  await summary.focus();
  await page.keyboard.press("Enter");
  await expect(app.device).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(app.device).toBeHidden();
  await expect(page.locator("summary", { hasText: "On the CPU" })).toBeFocused();
  await summary.click();
  await expect(app.device).toHaveText("The CPU was asked for.");
  // Its words can be selected.
  await app.device.click();
  await expect(app.device).toBeVisible();
  await page.getByRole("heading", { level: 1 }).click();
  await expect(app.device).toBeHidden();
  expect((await seenBy(page)).shift).toBe(shift);
});
