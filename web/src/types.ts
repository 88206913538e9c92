/**
 * The words the page and the Worker share: what goes into a model and what
 * comes out of it. Everything here survives `postMessage`.
 */

/** Where a model may run. `auto` takes WebGPU where it is real hardware and passes its self-test, else the CPU. */
export type DevicePreference = "auto" | "webgpu" | "cpu";

/** Where a model runs, and why. */
export interface DeviceReport {
  /** What was taken. */
  readonly kind: "webgpu" | "cpu";
  /** The adapter's name; empty on the CPU. */
  readonly adapter: string;
  /** The graphics interface below WebGPU, as far as the browser tells. */
  readonly backend: string;
  /** Whether the adapter is a software fallback. */
  readonly software: boolean;
  /** A sentence for people: why this device and not the other. */
  readonly reason: string;
  /** Largest GPU buffer, in bytes; 0 on the CPU. */
  readonly maxBufferSize: number;
  /** Largest storage binding, in bytes; 0 on the CPU. */
  readonly maxStorageBufferBindingSize: number;
  /** Whether the adapter has subgroup operations. */
  readonly subgroups: boolean;
  /** How the comparison of the GPU's numbers with the CPU's went. */
  readonly selfTest: SelfTest;
}

/** The outcome of the start-up self-test. */
export type SelfTest =
  | { readonly outcome: "not_run" }
  | {
      readonly outcome: "passed";
      /** Operations compared. */
      readonly operations: number;
      /** Largest error of any, as a share of what is allowed. */
      readonly worst: number;
    }
  | { readonly outcome: "failed"; readonly error: string };

/** What a model says about itself, from its `model.json`. */
export interface ModelInfo {
  /** Name of the model. */
  readonly name: string;
  /** SPDX expression of its licence. */
  readonly licence: string;
  /** Bytes of all shards. */
  readonly totalBytes: number;
}

/** Progress of {@link Flamingo.load}, in this order; `progress` and `done` many times. */
export type LoadEvent =
  | { readonly status: "initiate"; readonly model: ModelInfo }
  | { readonly status: "device"; readonly device: DeviceReport }
  | {
      readonly status: "progress";
      /** The shard that grew. */
      readonly file: string;
      /** Bytes of the whole model that have arrived. */
      readonly loaded: number;
      /** Bytes of the whole model. */
      readonly total: number;
    }
  /** A shard has passed its check and is in the model. */
  | { readonly status: "done"; readonly file: string }
  | { readonly status: "ready" };

/** The bytes of a JPEG, PNG or WebP file. */
export type ImageSource = Blob | ArrayBuffer | Uint8Array;

/** An example: a picture and the text the model should have written for it. */
export interface Shot {
  readonly image: ImageSource;
  readonly text: string;
}

/** One generated token. */
export interface TokenPiece {
  /** Row of the vocabulary. */
  readonly id: number;
  /** What this token adds to the text; may be empty inside a character. */
  readonly text: string;
  /** Natural logarithm of the probability the model gave it. */
  readonly logProbability: number;
}

/** Why generation stopped: the model ended the caption, `maxNewTokens` were made, or its context is full. */
export type StopReason = "end_of_chunk" | "max_new_tokens" | "context_full" | "aborted";

/** Wall-clock milliseconds of one caption. */
export interface Timings {
  /** The picture, from the bytes of its file to what the language model sees of it. */
  readonly encodeMs: number;
  /** Reading the prompt: examples, picture and words. */
  readonly prefillMs: number;
  /** From the request to the first token, encoding not counted. */
  readonly firstTokenMs: number;
  /** Mean over the tokens after the first; 0 where there are none. */
  readonly decodeMsPerToken: number;
}

/** A finished caption. */
export interface Caption {
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly stopReason: StopReason;
  readonly timings: Timings;
}

/** Memory the model holds. */
export interface MemoryReport {
  /** Bytes of the WebAssembly heap. It never shrinks, so this is its peak. */
  readonly heapBytes: number;
}
