/** The Worker's entry: the only place that knows the real WebAssembly modules. */

import { expose } from "comlink";
import { Engine } from "./engine.js";
import { startModule } from "./modules.js";

const engine = new Engine((build) => startModule(build, (reason) => engine.crash(reason)));

// A trap inside a future reaches no promise, only the event loop.
self.addEventListener("error", (event) => engine.crash(event.message));

expose(engine);
