/** How Chromium is started. */
export const CHROMIUM_ARGS: string[] = [
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
];
