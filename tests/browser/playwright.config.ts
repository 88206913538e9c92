import { defineConfig } from "@playwright/test";

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
    baseURL: `http://localhost:${PORT}/`,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        // WebGPU without a GPU.
        "--enable-unsafe-webgpu",
        "--use-webgpu-adapter=swiftshader",
        "--enable-unsafe-swiftshader",
        // A camera without a camera, and without the question for it.
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        // The browser's own requests would hide the page's.
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
      ],
    },
  },
  webServer: {
    command: `npm run preview --workspace www -- --port ${PORT} --strictPort --host localhost`,
    cwd: "../..",
    url: `http://localhost:${PORT}/`,
  },
});
