/** The two builds of the WebAssembly module, as they are started in the Worker. */

import { startWorker } from "./start-worker.js";
import type { WasmBuild, WasmModule } from "./wasm.js";

/** More would wait for each other longer than they compute. */
const MOST_THREADS = 8;

/** Hears of a panic, or of anything else that a module does not survive. */
type OnCrash = (reason: string) => void;

/** Starts one of the builds. The memory of threads can grow to `heapBytes` at least. */
export function startModule(
  build: WasmBuild,
  heapBytes: number | undefined,
  onCrash: OnCrash,
): Promise<WasmModule> {
  return build === "webgpu" ? startWithGpu(onCrash) : startWithThreads(heapBytes ?? 0, onCrash);
}

async function startWithGpu(onCrash: OnCrash): Promise<WasmModule> {
  const surface = await import("../wasm/flamingo.js");
  const url = new URL("../wasm/flamingo_bg.wasm", import.meta.url);
  const { memory } = await surface.default({ module_or_path: url });
  surface.onPanic(onCrash);
  return exportsOf(surface, url, memory);
}

async function startWithThreads(heapBytes: number, onCrash: OnCrash): Promise<WasmModule> {
  const surface = await import("../wasm-threads/flamingo.js");
  const url = new URL("../wasm-threads/flamingo_bg.wasm", import.meta.url);
  const module = await WebAssembly.compileStreaming(fetch(url));
  const memory = await startShared(surface.default, module, heapBytes);
  surface.onPanic(onCrash);
  const others = Math.min(navigator.hardwareConcurrency, MOST_THREADS) - 1;
  await Promise.all(Array.from({ length: others }, () => startThread({ module, memory }, onCrash)));
  return exportsOf(surface, url, memory);
}

/** The most pages of 64 KiB that a memory has: 4 GiB, which the module declares. */
const MOST_PAGES = 2 ** 16;

/** More than the module needs before it asks for any. */
const FIRST_PAGES = 64;

/**
 * Starts the module with memory that threads share. Its address space is set aside as it is made:
 * where a browser refuses 4 GiB of that, as on phones, the memory gets half as much, and so on
 * down to what the model takes.
 */
async function startShared(
  init: (options: {
    module_or_path: WebAssembly.Module;
    memory?: WebAssembly.Memory;
  }) => Promise<{ readonly memory: WebAssembly.Memory }>,
  module: WebAssembly.Module,
  heapBytes: number,
): Promise<WebAssembly.Memory> {
  for (let maximum = MOST_PAGES; ; maximum /= 2) {
    try {
      const options = { initial: FIRST_PAGES, maximum, shared: true };
      const given = maximum < MOST_PAGES ? { memory: new WebAssembly.Memory(options) } : {};
      return (await init({ module_or_path: module, ...given })).memory;
    } catch (error) {
      if (!(error instanceof RangeError) || maximum * 2 ** 15 < heapBytes) throw error;
    }
  }
}

/** What a thread is sent: the module, and the memory that it shares. */
export interface SharedModule {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

/** Resolves when the thread is about to look for work. It ends with this Worker. */
function startThread(shared: SharedModule, onCrash: OnCrash): Promise<void> {
  const name = "flamingo-thread";
  const thread = startWorker(
    new URL(THREAD, import.meta.url),
    name,
    () =>
      // Bundlers look for exactly this expression.
      new Worker(new URL("./thread.js", import.meta.url), {
        type: "module",
        name: "flamingo-thread",
      }),
  );
  return new Promise((resolve, reject) => {
    thread.addEventListener("error", ({ message }) => {
      const reason = message || "the script of a thread could not be loaded";
      reject(new Error(reason));
      onCrash(reason);
    });
    thread.addEventListener("message", () => resolve(), { once: true });
    thread.postMessage(shared);
  });
}

/** Apart from where it is used: beside `import.meta.url` bundlers would copy the file as it is. */
const THREAD = "./thread.js";

/** The exports that both builds have, without those that nobody uses. */
function exportsOf(
  surface: Omit<WasmModule, "url" | "memory">,
  url: URL,
  memory: WebAssembly.Memory,
): WasmModule {
  return {
    url: url.href,
    memory,
    selectDevice: surface.selectDevice,
    ModelLoader: surface.ModelLoader,
    Frames: surface.Frames,
    Examples: surface.Examples,
    Query: surface.Query,
    Prompt: surface.Prompt,
    Session: surface.Session,
    SupportSet: surface.SupportSet,
  };
}
