/** The entry of a thread: a Worker that computes what the one with the model asks of it. */

import init, { enlist, giveUp, onPanic, serve } from "../wasm-threads/flamingo.js";
import { describe } from "./errors.js";
import type { SharedModule } from "./modules.js";

/** The kernels keep little on the stack. Whole pages of memory. */
const STACK_BYTES = 256 * 1024;

self.addEventListener(
  "message",
  async ({ data }: MessageEvent<SharedModule>) => {
    const { module, memory } = data;
    await init({ module_or_path: module, memory, thread_stack_size: STACK_BYTES });
    onPanic(giveUp);
    enlist();
    self.postMessage("ready");
    try {
      serve();
    } catch (trap) {
      // Whoever gave it work waits for it, without looking at messages.
      giveUp(describe(trap));
    }
  },
  { once: true },
);
