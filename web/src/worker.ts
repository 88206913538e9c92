/** The Worker's entry: the only place that knows the real WebAssembly module. */

import { expose } from "comlink";
import init, * as module from "../wasm/flamingo.js";
import { Engine } from "./engine.js";
import type { WasmModule } from "./wasm.js";

const engine = new Engine(async (): Promise<WasmModule> => {
  const { memory } = await init({
    module_or_path: new URL("../wasm/flamingo_bg.wasm", import.meta.url),
  });
  module.onPanic((message: string) => engine.crash(message));
  return {
    memory,
    selectDevice: module.selectDevice,
    ModelLoader: module.ModelLoader,
    Frames: module.Frames,
    Examples: module.Examples,
    Query: module.Query,
    Prompt: module.Prompt,
    Session: module.Session,
    SupportSet: module.SupportSet,
  };
});

// A trap inside a future reaches no promise, only the event loop.
self.addEventListener("error", (event) => engine.crash(event.message));

expose(engine);
