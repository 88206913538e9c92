/** How Chromium is started. */

/** Without WebGPU: this machine has no GPU, and no other adapter is allowed. */
export const CHROMIUM_ARGS_WITHOUT_WEBGPU: string[] = [
  "--no-sandbox",
  // A camera without a camera, and without the question for it.
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  // The browser's own requests would hide the page's.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

export const CHROMIUM_ARGS: string[] = [
  ...CHROMIUM_ARGS_WITHOUT_WEBGPU,
  // WebGPU without a GPU.
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-unsafe-swiftshader",
];
