/** A camera that shows known pictures: Chromium plays a file as if it were one. */

import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "@playwright/test";

/** Frames of each picture before the next one comes, at 30 a second. */
const FRAMES_EACH = 60;

/** The file that Chromium is started with. It is read when the camera is opened. */
export const CAMERA_FILE = join(tmpdir(), `flamingo-camera-${process.ppid}.mjpeg`);

/** What Chromium is started with, beside what it always is. */
export const CAMERA_ARGS = [`--use-file-for-fake-video-capture=${CAMERA_FILE}`];

/** Writes the file: the pictures one after another, over and over. */
export async function film(browser: Browser, photos: readonly string[]): Promise<void> {
  const frames = await toJpeg(browser, photos);
  writeFileSync(
    CAMERA_FILE,
    Buffer.concat(frames.flatMap((frame) => Array<Buffer>(FRAMES_EACH).fill(frame))),
  );
}

/** Pictures as JPEG files of one size: a film of such files has no other form. */
async function toJpeg(browser: Browser, photos: readonly string[]): Promise<Buffer[]> {
  const page = await browser.newPage();
  const files = photos.map((photo) => readFileSync(photo).toString("base64"));
  const jpegs = await page.evaluate(
    (files) =>
      Promise.all(
        files.map(async (file) => {
          const response = await fetch(`data:image/webp;base64,${file}`);
          const picture = await createImageBitmap(await response.blob());
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [320, 240];
          canvas.getContext("2d")?.drawImage(picture, 0, 0, 320, 240);
          return canvas.toDataURL("image/jpeg", 0.95);
        }),
      ),
    files,
  );
  await page.close();
  return jpegs.map((url) => Buffer.from(url.slice(url.indexOf(",") + 1), "base64"));
}
