/** Clips: from a file and from the camera, seen as the program sees a folder of their frames. */

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { violations } from "./axe.js";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { CHROMIUM_ARGS } from "./chromium.js";
import { CAMERA_ARGS, CAMERA_FILE, film } from "./fake-camera.js";
import { PHOTOS, SHOTS, SHOTS_FILE } from "./fixtures.js";
import { nativeTokenIds } from "./native.js";

test.use({
  launchOptions: async ({ launchOptions }, use) => {
    await use({ ...launchOptions, args: [...CHROMIUM_ARGS, ...CAMERA_ARGS] });
  },
});

test.beforeAll(({ browser }) => film(browser, PHOTOS.slice(0, 2)));

test.afterAll(() => rmSync(CAMERA_FILE));

let app: CaptionPage;

test.beforeEach(async ({ page }) => {
  // The pictures that the page shows, by their addresses.
  await page.addInitScript(() => {
    const blobs = new Map<string, Blob>();
    Object.assign(window, { blobs });
    const original = URL.createObjectURL;
    URL.createObjectURL = (blob: Blob) => {
      const url = original(blob);
      blobs.set(url, blob);
      return url;
    };
  });
  app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  await app.goTo("Clip");
});

const frames = (page: Page) => page.getByRole("list", { name: "Frames" }).getByRole("listitem");

const times = (page: Page) => frames(page).locator("small").allInnerTexts();

/** The maps that lie over the frames, as addresses of their pixels. */
const drawnMaps = (page: Page) =>
  frames(page)
    .locator("canvas")
    .evaluateAll((canvases) => canvases.map((canvas) => (canvas as HTMLCanvasElement).toDataURL()));

/** Writes the frames on show into a folder, as the program reads one. */
async function framesFolder(page: Page): Promise<string> {
  const files = await page.evaluate(async () => {
    const { blobs } = window as unknown as { blobs: Map<string, Blob> };
    const shown = [...document.querySelectorAll<HTMLImageElement>(".clip-frames img")];
    return Promise.all(
      shown.map(async ({ src }) => {
        const bytes = new Uint8Array((await blobs.get(src)?.arrayBuffer()) ?? new ArrayBuffer(0));
        return Array.from(bytes);
      }),
    );
  });
  const folder = test.info().outputPath("frames");
  mkdirSync(folder, { recursive: true });
  for (const [i, bytes] of files.entries()) {
    writeFileSync(join(folder, `frame-${i}.jpg`), Uint8Array.from(bytes));
  }
  return folder;
}

/** A video of four seconds: the colour of its picture is that of the time. */
async function video(page: Page): Promise<{ name: string; mimeType: string; buffer: Buffer }> {
  const bytes = await page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [160, 120];
    const context = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
    const parts: Blob[] = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((resolve) => {
      recorder.onstop = resolve;
    });
    recorder.start();
    const start = performance.now();
    for (let time = 0; time < 4000; time = performance.now() - start) {
      if (context !== null) {
        context.fillStyle = `hsl(${time / 12} 80% 50%)`;
        context.fillRect(0, 0, 160, 120);
      }
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    recorder.stop();
    await stopped;
    return Array.from(new Uint8Array(await new Blob(parts).arrayBuffer()));
  });
  return { name: "colours.webm", mimeType: "video/webm", buffer: Buffer.from(bytes) };
}

test("the frames of a file are shown with their times, by number or by rate, and captioned", async ({
  page,
}) => {
  await page.getByLabel(/^Choose a video/).setInputFiles(await video(page));
  await expect(frames(page)).toHaveCount(8);
  const seconds = (await times(page)).map((time) => Number(time.replace(/^0:/, "")));
  // Eight of about four seconds: every half one, the first after a quarter.
  for (const [i, time] of seconds.entries()) expect(time).toBeCloseTo(0.25 + i / 2, 0);
  const { tokenIds } = await app.caption();
  expect([tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, [await framesFolder(page)]));

  // A word tells which of the frames it looked at, and where in each, once it is asked.
  await app.tokens.getByRole("button").first().click();
  await expect(frames(page).locator("meter")).toHaveCount(8);
  const shares = await frames(page)
    .locator("meter")
    .evaluateAll((meters) => meters.map((meter) => (meter as HTMLMeterElement).value));
  expect(shares).toHaveLength(8);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 3);
  expect(new Set(await drawnMaps(page)).size).toBeGreaterThan(1);
  expect(await violations(page)).toEqual([]);

  await page.getByRole("spinbutton").fill("3");
  await page.getByRole("spinbutton").press("Enter");
  await expect(frames(page)).toHaveCount(3);
  await expect(frames(page).locator("canvas")).toHaveCount(0);
  await page.getByText("By rate").click();
  await expect(frames(page)).toHaveCount(4);
  await page.getByRole("combobox").selectOption("2");
  await expect(frames(page)).toHaveCount(8);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await violations(page), colorScheme).toEqual([]);
  }
});

test("a recorded stretch is captioned in the manner of the examples", async ({ page }) => {
  await app.addExamples(SHOTS);
  await page.getByRole("button", { name: "Record", exact: true }).click();
  await expect(page.getByText("Recording: 2 of 10 s")).toBeVisible();
  await page.getByRole("button", { name: "Stop recording" }).click();
  await expect(frames(page)).toHaveCount(8);
  const { tokenIds } = await app.caption();
  const folder = await framesFolder(page);
  expect([tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, [folder], SHOTS_FILE));
});

test("a question about a clip is answered", async ({ page }) => {
  await page.getByLabel(/^Choose a video/).setInputFiles(await video(page));
  await page.getByText("Questions and answers").click();
  const button = page.getByRole("button", { name: "Answer", exact: true });
  await expect(button).toBeDisabled();
  await page.getByLabel("Question about the clip").fill("What changes?");
  await button.click();
  await expect(page.getByLabel("Answer", { exact: true })).toHaveAttribute("data-phase", "done");
  expect(await app.tokenIds()).not.toEqual([]);
});

test("pictures in a folder are frames in the order of their numbers, but what systems left", async ({
  page,
}) => {
  const [first = "", second = "", third = ""] = PHOTOS;
  const folder = test.info().outputPath("clip");
  mkdirSync(folder, { recursive: true });
  for (const [name, photo] of [
    ["frame1.webp", first],
    ["frame2.webp", second],
    ["frame10.webp", third],
  ] as const) {
    copyFileSync(photo, join(folder, name));
  }
  for (const name of ["._frame1.webp", ".DS_Store", "Thumbs.db"]) {
    writeFileSync(join(folder, name), "not a picture");
  }
  await page.getByLabel("Folder of frames").setInputFiles(folder);
  await expect(frames(page)).toHaveCount(3);
  expect(await times(page)).toEqual(["frame1.webp", "frame2.webp", "frame10.webp"]);
  const { tokenIds } = await app.caption();
  // The program is given them by names that it cannot read otherwise.
  const padded = test.info().outputPath("padded");
  mkdirSync(padded, { recursive: true });
  for (const [i, photo] of [first, second, third].entries()) {
    copyFileSync(photo, join(padded, `${i}.webp`));
  }
  expect([tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, [padded]));

  writeFileSync(join(folder, "notes.txt"), "not a picture");
  await page.getByLabel("Folder of frames").setInputFiles(folder);
  await expect(app.error).toContainText("clip/notes.txt is no picture.");
});

test("a still picture is one frame, and so is what only calls itself a video", async ({ page }) => {
  const [photo = ""] = PHOTOS;
  const file = { name: "still.mp4", mimeType: "video/mp4", buffer: readFileSync(photo) };
  await page.getByLabel(/^Choose a video/).setInputFiles(file);
  await expect(frames(page)).toHaveCount(1);
  const { tokenIds } = await app.caption();
  expect([tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, [photo]));
});

test("a file that is no video is refused in words", async ({ page }) => {
  const file = { name: "broken.webm", mimeType: "video/webm", buffer: Buffer.from("nothing") };
  await page.getByLabel(/^Choose a video/).setInputFiles(file);
  await expect(app.error).toHaveAttribute("data-code", "video");
  await expect(page.getByLabel(/^Choose a video/)).toBeAttached();
});
