/** A WebAssembly module made of TypeScript, for tests of everything around it. */

import type { Caption, DevicePreference, DeviceReport, TokenPiece } from "../types.js";
import type {
  WasmDevice,
  WasmImage,
  WasmLoader,
  WasmModel,
  WasmModule,
  WasmShots,
} from "../wasm.js";

/** What a test reads of, and writes into, a fake module. */
export interface FakeModule extends WasmModule {
  /** All bytes that were pushed. */
  readonly pushed: number[];
  /** Handles that were made and not yet freed. */
  readonly alive: Set<string>;
  /** The tokens of every caption. */
  words: string[];
  /** What `encode` throws. */
  imageFault: unknown;
  /** Largest buffer of the fake GPU. */
  gpuLimit: number;
}

/** A module whose captions name the shots' texts and the image's bytes, then `words`. */
export function fakeWasm(): FakeModule {
  const alive = new Set<string>();
  const pushed: number[] = [];
  let handles = 0;

  class Handle {
    readonly #name: string;

    constructor(kind: string) {
      handles += 1;
      this.#name = `${kind} ${handles}`;
      alive.add(this.#name);
    }

    free(): void {
      if (!alive.delete(this.#name)) throw new Error(`${this.#name} was freed twice`);
    }

    [Symbol.dispose](): void {
      this.free();
    }
  }

  class Device extends Handle implements WasmDevice {
    readonly #kind: "webgpu" | "cpu";

    constructor(preference: DevicePreference) {
      super("device");
      this.#kind = preference === "cpu" ? "cpu" : "webgpu";
    }

    report(): DeviceReport {
      const limit = this.#kind === "cpu" ? 0 : module.gpuLimit;
      return {
        kind: this.#kind,
        adapter: "",
        backend: "",
        software: false,
        reason: "it was there",
        maxBufferSize: limit,
        maxStorageBufferBindingSize: limit,
        subgroups: false,
        selfTest: { outcome: "not_run" },
      };
    }
  }

  class Image extends Handle implements WasmImage {
    constructor(readonly bytes: string) {
      super("image");
    }
  }

  class Shots extends Handle implements WasmShots {
    readonly list: string[] = [];

    constructor() {
      super("shots");
    }

    add(image: WasmImage, text: string): void {
      this.list.push(`${(image as Image).bytes}=${text}`);
    }
  }

  class Model extends Handle implements WasmModel {
    async encode(bytes: Uint8Array): Promise<WasmImage> {
      if (module.imageFault !== undefined) throw module.imageFault;
      return new Image(bytes.join(" "));
    }

    async caption(
      shots: WasmShots,
      image: WasmImage,
      maxNewTokens: number,
      onPiece: (piece: TokenPiece) => Promise<boolean>,
    ): Promise<Caption> {
      const all = [...(shots as Shots).list, (image as Image).bytes, ...module.words];
      const words: string[] = [];
      let stopReason: Caption["stopReason"] = "end_of_chunk";
      for (const [id, text] of all.slice(0, maxNewTokens).entries()) {
        words.push(text);
        if (!(await onPiece({ id, text, logProbability: -1 }))) {
          stopReason = "aborted";
          break;
        }
      }
      return {
        text: words.join(" | "),
        tokenIds: [...words.keys()],
        stopReason,
        timings: { encodeMs: 1, prefillMs: 2, firstTokenMs: 3, decodeMsPerToken: 4 },
      };
    }
  }

  class ModelLoader extends Handle implements WasmLoader {
    constructor() {
      super("loader");
    }

    push(bytes: Uint8Array): void {
      pushed.push(...bytes);
    }

    finish(): WasmModel {
      this.free();
      return new Model("model");
    }
  }

  const module: FakeModule = {
    memory: new WebAssembly.Memory({ initial: 1 }),
    selectDevice: async (preference) => new Device(preference),
    ModelLoader,
    Shots,
    pushed,
    alive,
    words: ["a", "dog"],
    imageFault: undefined,
    gpuLimit: 1 << 20,
  };
  return module;
}
