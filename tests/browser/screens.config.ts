import { defineConfig } from "@playwright/test";
import tests from "./playwright.config.js";

/** `npm run screens --workspace tests/browser`: pictures of every view, for `docs/`. Needs the default model. */
export default defineConfig({
  ...tests,
  testMatch: "screens.ts",
  timeout: 600_000,
});
