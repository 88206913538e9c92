/** The camera, captioned as it goes on. It plays a film of two photos, two seconds each. */

import { readFileSync, rmSync } from "node:fs";
import { expect, type Locator, type Page, test } from "@playwright/test";
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

class LivePage extends CaptionPage {
  readonly controls: Locator;
  readonly history: Locator;

  constructor(page: Page) {
    super(page);
    this.controls = page.locator("[data-live]");
    this.history = page.getByRole("list", { name: "Captions" }).getByRole("listitem");
  }

  async start(): Promise<void> {
    await this.page.getByRole("button", { name: "Start" }).click();
    await expect(this.controls).toHaveAttribute("data-live", "running");
  }

  async stop(): Promise<void> {
    await this.stopButton.click();
    await expect(this.controls).toHaveAttribute("data-live", "off");
  }

  async set(label: string, option: string): Promise<void> {
    await this.page.getByLabel(label).selectOption(option);
  }

  /** Token ids of the newest caption, and the frame it was written for as a PNG file. */
  async newest(): Promise<{ tokenIds: number[]; frame: string }> {
    const ids = await this.history.first().getAttribute("data-token-ids");
    const frame = await this.save("Newest frame");
    return { tokenIds: (ids ?? "").split(" ").map(Number), frame };
  }

  /** Path of what a button saves. */
  async save(button: string): Promise<string> {
    const download = this.page.waitForEvent("download");
    await this.page.getByRole("button", { name: button, exact: true }).click();
    const path = test.info().outputPath((await download).suggestedFilename());
    await (await download).saveAs(path);
    return path;
  }
}

let live: LivePage;

test.beforeEach(async ({ page }) => {
  // What the browser gave, so that it can be seen whether it was given back.
  await page.addInitScript(() => {
    const tracks: MediaStreamTrack[] = [];
    Object.assign(window, { tracks });
    const { mediaDevices } = navigator;
    const original = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (constraints) => {
      const stream = await original(constraints);
      tracks.push(...stream.getTracks());
      return stream;
    };
  });
  live = new LivePage(page);
  await live.open(TINY_MODEL, "cpu");
  await live.ready();
});

const trackStates = (page: Page) =>
  page.evaluate(() =>
    (window as unknown as { tracks: MediaStreamTrack[] }).tracks.map(
      ({ readyState }) => readyState,
    ),
  );

test("a frame gets the caption that the program gives it, without and with the board's examples", async ({
  page,
}) => {
  await live.goTo("Live");
  await live.start();
  await expect(live.history).not.toHaveCount(0);
  await live.stop();
  expect(await trackStates(page)).toEqual(["ended"]);
  const bare = await live.newest();
  expect([bare.tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, [bare.frame]));

  await live.goTo("Caption");
  await live.addExamples(SHOTS);
  await live.goTo("Live");
  await page.getByRole("button", { name: "Clear", exact: true }).first().click();
  await live.start();
  await expect(live.history).not.toHaveCount(0);
  await live.stop();
  const shown = await live.newest();
  expect([shown.tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, [shown.frame], SHOTS_FILE));
  expect(shown.tokenIds).not.toEqual(bare.tokenIds);
});

test("each scene is captioned once, and saved with its time", async ({ page }) => {
  await live.goTo("Live");
  await live.set("Budget", "As fast as it goes");
  await live.start();
  await expect.poll(() => live.history.count(), { timeout: 30_000 }).toBeGreaterThanOrEqual(3);
  await live.stop();
  const skipped = Number(await page.locator('[data-figure="skipped"]').innerText());
  expect(skipped).toBeGreaterThan(3);
  expect(Number(await page.locator('[data-figure="rate"]').innerText())).toBeGreaterThan(0);

  const { model, captions } = JSON.parse(readFileSync(await live.save("JSON"), "utf8"));
  expect(model).toContain("tiny");
  const cues = readFileSync(await live.save("WebVTT"), "utf8")
    .split("\n\n")
    .slice(1);
  expect(cues).toHaveLength(captions.length);
  for (const [i, { from, to, text }] of captions.entries()) {
    expect(to).toBeGreaterThan(from);
    // A scene lasts two seconds; a caption holds until the next one is seen.
    if (i > 0) expect(from).toBe(captions[i - 1].to);
    if (i > 0) expect(from - captions[i - 1].from).toBeGreaterThan(1);
    expect(cues[i]).toContain(text.trim().split(/[\s&<>]/)[0]);
  }
});

test("another camera is picked by its name, or the device is turned around", async ({ page }) => {
  // Chromium has the one camera of the film; the other one is played by it too.
  await page.evaluate(() => {
    const asked: MediaTrackConstraints[] = [];
    Object.assign(window, { asked });
    const { mediaDevices } = navigator;
    const list = mediaDevices.enumerateDevices.bind(mediaDevices);
    mediaDevices.enumerateDevices = async () => {
      const devices = await list();
      const camera = devices.find(({ kind }) => kind === "videoinput");
      if (camera === undefined) throw new Error("there is no camera");
      const { groupId, kind } = camera;
      const other = { deviceId: "other", groupId, kind, label: "The other camera" };
      return [...devices, { ...other, toJSON: () => other }];
    };
    const open = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = (constraints) => {
      asked.push(constraints?.video as MediaTrackConstraints);
      return open({ video: true });
    };
  });
  const asked = () =>
    page.evaluate(() => (window as unknown as { asked: MediaTrackConstraints[] }).asked);
  await live.goTo("Live");
  const picker = page.getByRole("combobox", { name: "Camera" });
  await expect(picker).toHaveCount(0);
  await live.start();
  await expect(picker.getByRole("option")).toHaveCount(2);
  await picker.selectOption("The other camera");
  await expect(live.controls).toHaveAttribute("data-live", "running");
  await page.getByRole("button", { name: "Flip" }).click();
  await expect(live.controls).toHaveAttribute("data-live", "running");
  await page.getByRole("button", { name: "Flip" }).click();
  await expect
    .poll(asked)
    .toEqual([
      { facingMode: { ideal: "environment" } },
      { deviceId: { exact: "other" } },
      { facingMode: { ideal: "environment" } },
      { facingMode: { ideal: "user" } },
    ]);
  // The cameras before were let go of.
  await expect.poll(() => trackStates(page)).toEqual(["ended", "ended", "ended", "live"]);
  await expect(live.history).not.toHaveCount(0);
  await expect(live.history.first().locator("img")).toBeVisible();
});

test("the budget holds: six a minute are one in the first seconds, whatever is seen", async ({
  page,
}) => {
  await live.goTo("Live");
  await live.set("Budget", "Up to 6 captions a minute");
  await live.set("A caption when", "anything moves");
  await live.start();
  await expect(live.history).toHaveCount(1);
  await page.waitForTimeout(4500);
  await expect(live.history).toHaveCount(1);
});

test("a tab that cannot be seen gives the camera back, and goes on when it is seen", async ({
  page,
}) => {
  const see = (state: DocumentVisibilityState) =>
    page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  await live.goTo("Live");
  await live.start();
  await see("hidden");
  await expect(page.getByText("Paused while this tab cannot be seen.")).toBeVisible();
  expect(await trackStates(page)).toEqual(["ended"]);
  await see("visible");
  await expect(live.controls).toHaveAttribute("data-live", "running");
  await expect(live.history).not.toHaveCount(0);
  // Another view needs no camera either.
  await live.goTo("Models");
  expect(await trackStates(page)).toEqual(["ended", "ended"]);
});

for (const [name, code, words] of [
  ["NotAllowedError", "camera-refused", "Allow it in the address bar"],
  ["NotFoundError", "no-camera", "There is no camera"],
  ["NotReadableError", "camera-busy", "Another program uses the camera"],
] as const) {
  test(`${name} is told in words, and can be tried again`, async ({ page }) => {
    await page.evaluate((name) => {
      const { mediaDevices } = navigator;
      const open = mediaDevices.getUserMedia.bind(mediaDevices);
      mediaDevices.getUserMedia = async () => {
        mediaDevices.getUserMedia = open;
        throw new DOMException("no", name);
      };
    }, name);
    await live.goTo("Live");
    await page.getByRole("button", { name: "Start" }).click();
    await expect(live.error).toHaveAttribute("data-code", code);
    await expect(live.error).toContainText(words);
    await page.getByRole("button", { name: "Try again" }).click();
    await expect(live.controls).toHaveAttribute("data-live", "running");
  });
}

test("it passes axe while it runs, with its history, and when it has failed", async ({ page }) => {
  await live.goTo("Live");
  await live.start();
  await expect(live.history).not.toHaveCount(0);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await violations(page), colorScheme).toEqual([]);
  }
  await page.evaluate(() => {
    const [track] = (window as unknown as { tracks: MediaStreamTrack[] }).tracks;
    track?.dispatchEvent(new Event("ended"));
  });
  await expect(live.error).toBeVisible();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await violations(page), colorScheme).toEqual([]);
  }
});

test("a camera that is taken away is told", async ({ page }) => {
  await live.goTo("Live");
  await live.start();
  await page.evaluate(() => {
    const [track] = (window as unknown as { tracks: MediaStreamTrack[] }).tracks;
    track?.dispatchEvent(new Event("ended"));
  });
  await expect(live.error).toHaveAttribute("data-code", "no-camera");
});
