/** Pictures of every view with the default model, light and dark, phone and desktop: `docs/screens/`. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { expect, type Page, test } from "@playwright/test";
import { BoardPage } from "./board-page.js";
import { CaptionPage, DEFAULT_MODEL } from "./caption-page.js";
import { CAMERA_FILE, film } from "./fake-camera.js";
import { PHOTOS, photoPath } from "./fixtures.js";

const SCREENS = new URL("../../docs/screens/", import.meta.url);
const MINUTE = 60_000;

const SIZES = {
  desktop: { width: 1280, height: 960 },
  phone: { width: 390, height: 844 },
} as const;

const PHOTO = photoPath("2513260012_03d33305cf.webp");
const EXAMPLES = [
  ["2635164923_2a774f7854.webp", "A little boy skateboards on a cement ramp"],
  ["1579798212_d30844b4c5.webp", "A child sings into a loofa in the bathtub"],
  ["269650644_059a84ece5.webp", "People skate in an urban outdoor ice skating rink"],
] as const;

/** What is done in a view before its picture is taken; a view without an entry is taken as it opens. */
const SCENES: Record<string, (page: Page) => Promise<void>> = {
  caption: async (page) => {
    const app = new CaptionPage(page);
    await app.choosePhoto(PHOTO);
    await new BoardPage(page).add(
      EXAMPLES.map(([name]) => photoPath(name)),
      EXAMPLES.map(([, text]) => text),
    );
    await app.caption(MINUTE);
    await app.tokens.getByRole("button", { name: "dogs" }).click();
  },
  ask: async (page) => {
    await new CaptionPage(page).choosePhoto(PHOTO);
    for (const question of ["What animals are there?", "Where are they?"]) {
      await page.getByLabel("Your question").fill(question);
      await page.getByLabel("Your question").press("Enter");
      await expect(page.locator(".turn output").last()).toHaveAttribute("data-phase", "done", {
        timeout: MINUTE,
      });
    }
  },
  choose: async (page) => {
    await new CaptionPage(page).choosePhoto(PHOTO);
    const answers = ["Dogs run in the snow", "A boy skateboards", "A woman cooks dinner"];
    await page.getByRole("button", { name: "Add an answer" }).click();
    for (const [i, answer] of answers.entries()) {
      await page.getByLabel(`Answer ${i + 1}`, { exact: true }).fill(answer);
    }
    await page.getByRole("button", { name: "Choose", exact: true }).click();
    await expect(page.locator(".choices")).toHaveAttribute("data-phase", "done", {
      timeout: MINUTE,
    });
  },
  clip: async (page) => {
    await page.getByRole("button", { name: "Record", exact: true }).click();
    await page.getByText("Recording: 4 of").waitFor();
    await page.getByRole("button", { name: "Stop recording" }).click();
    await expect(page.locator(".clip-frames li")).toHaveCount(8);
    await new CaptionPage(page).caption(MINUTE);
  },
  live: async (page) => {
    await page.getByRole("button", { name: "Start" }).click();
    await expect(page.locator(".history li")).toHaveCount(3, { timeout: MINUTE });
  },
};

test("every view is taken", async ({ page, browser }) => {
  await film(browser, PHOTOS.slice(0, 3));
  mkdirSync(SCREENS, { recursive: true });
  const app = new CaptionPage(page);
  await page.setViewportSize(SIZES.desktop);
  await app.open(DEFAULT_MODEL, "cpu");
  await app.ready(MINUTE);
  const views = await page
    .getByRole("navigation", { name: "Views" })
    .getByRole("link")
    .evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).hash.slice(2)));
  for (const view of views) {
    await page.evaluate((view) => {
      location.hash = `#/${view}`;
    }, view);
    await expect(page.locator(`main > ${view}-view h1`)).toBeVisible();
    await SCENES[view]?.(page);
    for (const [device, size] of Object.entries(SIZES)) {
      await page.setViewportSize(size);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        // A phone is shown as it is held: at the top.
        await page.mouse.move(0, 0);
        await page.evaluate(() => {
          (document.activeElement as HTMLElement | null)?.blur();
          scrollTo(0, 0);
        });
        await page.waitForTimeout(300);
        const screen = await page.screenshot({ fullPage: device === "desktop" });
        const name = `${view}-${device}-${colorScheme}.webp`;
        writeFileSync(new URL(name, SCREENS), await webp(page, screen));
      }
    }
    await page.setViewportSize(SIZES.desktop);
  }
  rmSync(CAMERA_FILE);
});

/** The browser that takes the picture also packs it. */
async function webp(page: Page, png: Buffer): Promise<Buffer> {
  const base64 = await page.evaluate(async (png) => {
    const bytes = Uint8Array.from(atob(png), (char) => char.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
    return canvas.toDataURL("image/webp", 0.72).split(",")[1] ?? "";
  }, png.toString("base64"));
  return Buffer.from(base64, "base64");
}
