/** The Worker's entry: the only place that knows the real WebAssembly modules. */

import { expose } from "comlink";
import { Engine } from "./engine.js";
import { startModule } from "./modules.js";

const engine = new Engine((build, heapBytes) =>
  startModule(build, heapBytes, (reason) => engine.crash(reason)),
);

// A trap inside a future reaches no promise, only the event loop. Left alone it would reach the
// page too, before the answer that says what the module said of it.
self.addEventListener("error", (event) => {
  event.preventDefault();
  engine.crash(event.message);
});

expose(engine);
