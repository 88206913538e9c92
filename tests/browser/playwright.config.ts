import { defineConfig } from "@playwright/test";
import { CHROMIUM_ARGS } from "./chromium.js";

/** Another may be chosen where two clones are tested at once. */
const PORT = process.env.FLAMINGO_TEST_PORT ?? "4179";

export default defineConfig({
  testDir: ".",
  // A machine without GPU computes on its cores: two tests at once would share them.
  workers: 1,
  forbidOnly: true,
  timeout: 120_000,
  reporter: [["list"]],
  use: {
    // It would answer requests that tests answer otherwise; offline.spec.ts allows it.
    serviceWorkers: "block",
    baseURL: `http://localhost:${PORT}/`,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: CHROMIUM_ARGS,
    },
  },
  webServer: {
    command: `npm run preview --workspace www -- --port ${PORT} --strictPort --host localhost`,
    cwd: "../..",
    url: `http://localhost:${PORT}/`,
  },
});
