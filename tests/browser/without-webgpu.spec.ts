/** A browser that has no WebGPU: the CPU takes its place, and who asked for it is told. */

import { expect, test } from "@playwright/test";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { CHROMIUM_ARGS_WITHOUT_WEBGPU } from "./chromium.js";
import { PHOTOS, SHOTS, SHOTS_FILE } from "./fixtures.js";
import { nativeCaptions } from "./native.js";

const [PHOTO = ""] = PHOTOS;

test.use({
  launchOptions: async ({ launchOptions }, use) => {
    await use({ ...launchOptions, args: CHROMIUM_ARGS_WITHOUT_WEBGPU });
  },
});

test.beforeEach(async ({ page }) => {
  await page.goto("./flamingo.svg");
  expect(await page.evaluate(async () => (await navigator.gpu?.requestAdapter()) ?? null)).toBe(
    null,
  );
});

test("auto takes the CPU, says why, and writes the program's tokens", async ({ page }) => {
  const [bare, shown] = await Promise.all([
    nativeCaptions(TINY_MODEL, [PHOTO]),
    nativeCaptions(TINY_MODEL, [PHOTO], SHOTS_FILE),
  ]);
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "auto");
  await app.ready();
  await expect(app.device).toHaveAttribute("data-device", "cpu");
  await expect(app.device).toHaveText(/^CPU: no WebGPU adapter: .+/);
  await app.choosePhoto(PHOTO);
  expect((await app.caption()).tokenIds).toEqual(bare[0]?.tokenIds);
  await app.addExamples(SHOTS);
  expect((await app.caption()).tokenIds).toEqual(shown[0]?.tokenIds);
});

test("a GPU that was asked for is an error with its remedy, and the photo waits for the CPU", async ({
  page,
}) => {
  const [native] = await nativeCaptions(TINY_MODEL, [PHOTO]);
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "webgpu");
  await app.choosePhoto(PHOTO);
  await expect(app.error).toHaveAttribute("data-code", "no-webgpu");
  await expect(app.error).toHaveText(
    /^No WebGPU adapter: .+\. Use the CPU, a browser with WebGPU enabled, or natively a Vulkan, Metal or DirectX 12 driver .+\.$/,
  );
  await page.getByText("CPU", { exact: true }).click();
  await app.ready();
  expect((await app.caption()).tokenIds).toEqual(native?.tokenIds);
});
