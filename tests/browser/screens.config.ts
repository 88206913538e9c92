import { defineConfig } from "@playwright/test";
import { CHROMIUM_ARGS } from "./chromium.js";
import { CAMERA_ARGS } from "./fake-camera.js";
import tests from "./playwright.config.js";

/** `npm run screens --workspace tests/browser`: pictures of every view, for `docs/`. Needs the default model. */
export default defineConfig({
  ...tests,
  testMatch: "screens.ts",
  timeout: 600_000,
  use: {
    ...tests.use,
    launchOptions: { ...tests.use?.launchOptions, args: [...CHROMIUM_ARGS, ...CAMERA_ARGS] },
  },
});
