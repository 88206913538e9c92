/** The entry of a thread: a Worker that computes what the one with the model asks of it. */

import init, { enlist, serve } from "../wasm-threads/flamingo.js";
import type { SharedModule } from "./modules.js";

/** The kernels keep little on the stack. Whole pages of memory. */
const STACK_BYTES = 256 * 1024;

self.addEventListener(
  "message",
  async ({ data }: MessageEvent<SharedModule>) => {
    const { module, memory } = data;
    await init({ module_or_path: module, memory, thread_stack_size: STACK_BYTES });
    enlist();
    self.postMessage("ready");
    serve();
  },
  { once: true },
);
