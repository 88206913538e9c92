/**
 * The words the page and the Worker share: what goes into a model and what
 * comes out of it. Everything here survives `postMessage`.
 */

/** Where a model may run. `auto` takes WebGPU where it is real hardware and passes its self-test, else the CPU. */
export type DevicePreference = "auto" | "webgpu" | "cpu";

/** Where a model is to run, and how. */
export interface DeviceWish {
  /** Which device. */
  readonly preference: DevicePreference;
  /** Whether the CPU rounds activations to bytes; a GPU never does. */
  readonly int8Activations: boolean;
}

/** Where a model runs, and why. */
export interface DeviceReport {
  /** What was taken. */
  readonly kind: "webgpu" | "cpu";
  /**
   * Which kernels compute there: on WebGPU those whose invocations share nothing, for software
   * adapters, or those whose workgroups share rows.
   */
  readonly kernels: "cpu" | "invocations" | "workgroups";
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
  /** Threads that compute where the CPU was taken. */
  readonly threads: number;
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
  /** The family of a released model, "OpenFlamingo" or "IDEFICS" for example; of another one nothing. */
  readonly family: string | undefined;
  /** SPDX expression of its licence. */
  readonly licence: string;
  /** Bytes of all shards. */
  readonly totalBytes: number;
  /** Memory the loaded model takes, in bytes: on the GPU where it runs there, else on the WebAssembly heap. */
  readonly memoryBytes: number;
  /**
   * Estimated peak of the WebAssembly heap, in bytes, by the device that it runs on. The largest that
   * a heap can be is 4 GiB: a model that takes more is refused before a shard is fetched.
   */
  readonly heapBytes: { readonly cpu: number; readonly webgpu: number };
  /** The architecture and the prompts as `model.json` has them, unchecked. */
  readonly config: unknown;
}

/** Where shards are kept: the origin private file system, Cache Storage, or the page's memory. */
export type StorageKind = "opfs" | "cache-storage" | "memory";

/** A model of which at least something is kept. */
export interface CachedModel extends ModelInfo {
  /** Address of its `model.json`. */
  readonly url: string;
  /** Bytes of it that are kept; as many as `totalBytes` where it is whole. */
  readonly bytes: number;
}

/**
 * What went otherwise than it should, and was mended:
 * - `storage-refused`: the browser lets the page keep no files; they stay in its memory.
 * - `quota`: there is no room for the model; what does not fit stays in the page's memory.
 * - `storage-failed`: a storage failed otherwise; the next one is used.
 * - `damaged-cache`: a shard was damaged where it is kept, and is fetched again.
 * - `offline`: the server could not be reached or gave no `model.json`; that of the last visit is used.
 * - `threads`: the threads of the CPU did not start; it computes on one.
 * - `little-memory`: the device has less memory, as far as the browser tells, than the model takes.
 * - `device-lost`: the GPU went away; the model is loaded again, and its events come once more.
 */
export type LoadWarning =
  | "storage-refused"
  | "quota"
  | "storage-failed"
  | "damaged-cache"
  | "offline"
  | "threads"
  | "little-memory"
  | "device-lost";

/** Progress of {@link Flamingo.load}, in this order: `progress` and `done` many times, `warning` at any time. */
export type LoadEvent =
  | { readonly status: "initiate"; readonly model: ModelInfo }
  /** Not of a {@link ModelFolder}, of which nothing is kept. */
  | {
      readonly status: "cache";
      /** Where shards that arrive are kept. */
      readonly storage: StorageKind;
      /** Bytes of the model that are kept from an earlier visit. */
      readonly cachedBytes: number;
    }
  /**
   * A WebAssembly module has started; two of them where the first finds no device that suits. A page
   * that is to work offline keeps the files at these addresses.
   */
  | { readonly status: "module"; readonly url: string }
  | { readonly status: "device"; readonly device: DeviceReport }
  | {
      readonly status: "progress";
      /** The shard that grew. */
      readonly file: string;
      /** Bytes of the whole model that have arrived, from the network or from where they are kept. */
      readonly loaded: number;
      /** Bytes of the whole model. */
      readonly total: number;
      /** Milliseconds until the rest has arrived, at the rate of the last seconds; `undefined` until there is a rate. */
      readonly remainingMs: number | undefined;
    }
  /**
   * Programs of the GPU were compiled, while the weights arrive; a step is one of the stages of a
   * caption. There are none on the CPU, which compiles nothing.
   */
  | { readonly status: "compile"; readonly done: number; readonly total: number }
  /** A shard has passed its check and is in the model. */
  | { readonly status: "done"; readonly file: string }
  /** Something was mended on the way; `message` is for people. */
  | { readonly status: "warning"; readonly code: LoadWarning; readonly message: string }
  | { readonly status: "ready" };

/** Pixels that are decoded already, such as an `ImageData`. */
export interface PixelFrame {
  /** Red, green, blue and alpha, 8 bits each, row by row from the top. They are laid on white. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Width in pixels. */
  readonly width: number;
  /** Height in pixels. */
  readonly height: number;
}

/**
 * An image: the bytes of a file, or pixels. JPEG, PNG and WebP are read alike everywhere, other
 * formats where the browser knows them; the bytes tell which it is. What is transparent is laid on
 * white. A `VideoFrame` stays open: closing it is the caller's.
 */
export type ImageSource = Blob | ArrayBuffer | Uint8Array | PixelFrame | VideoFrame;

/** Pictures of one scene in the order of time, seen together as one. */
export interface Clip {
  /** Evenly spaced; 1 to 256. {@link framesOf} takes them from a video. Pixels are scaled down to 640 on the longer side. */
  readonly frames: readonly ImageSource[];
}

/** What a text may be about. */
export type MediaSource = ImageSource | Clip;

/** An example: an image, a clip or neither, and the text the model should have written for it. */
export type Shot = {
  /** The question about it; none where the task asks none. */
  readonly question?: string;
  /** What the model should have written. */
  readonly text: string;
} & (
  | { readonly image: ImageSource; readonly frames?: never }
  | { readonly frames: readonly ImageSource[]; readonly image?: never }
  | { readonly image?: never; readonly frames?: never }
);

/** A part of a prompt: text, an image, a clip, or the end of an example. */
export type PromptPart =
  | string
  | { readonly image: ImageSource }
  | Clip
  /** `<|endofchunk|>`, behind an example's text. */
  | { readonly endOfChunk: true };

/**
 * How examples and queries become a prompt: one of OpenFlamingo's formats, or an own template,
 * the text of one example with `<image>`, `{question}`, `{answer}` and `<|endofchunk|>` in their
 * places. Only `visual-question`, `hateful-memes` and templates with `{question}` can be asked.
 */
export type Task =
  | "caption"
  | "visual-question"
  | "classification"
  | "hateful-memes"
  | { readonly template: string };

/** How tokens are chosen. Without any option the likeliest is taken each time. */
export interface GenerateOptions {
  /** Longest text, in tokens. 40 by default. */
  readonly maxNewTokens?: number;
  /** 0, the default, takes the likeliest token; above, tokens are drawn: from the model's own distribution at 1, a sharper one below, a flatter one above. */
  readonly temperature?: number;
  /** Draw from this many of the likeliest tokens; 0, the default, from all. */
  readonly topK?: number;
  /** Draw from the fewest likeliest tokens that together have this probability, 0 to 1; 1, the default, from all. */
  readonly topP?: number;
  /** Draw from tokens with at least this share of the likeliest one's probability, 0 to 1; 0, the default, from all. */
  readonly minP?: number;
  /** Above 1 makes tokens less likely that were generated before; 1, the default, leaves them. Tokens of the prompt do not count. */
  readonly repetitionPenalty?: number;
  /** A whole number from 0 to 2⁵³ − 1: the same seed draws the same tokens. 0 by default. */
  readonly seed?: number;
  /** Texts that end the generation; none of them is part of it. */
  readonly stop?: readonly string[];
  /** Ids of tokens that are never generated. */
  readonly banned?: readonly number[];
  /** What the whole text must be like: one of some texts, or a match of a regular expression (in the syntax of Rust's `regex`, without look-around). */
  readonly constraint?: { readonly choices: readonly string[] } | { readonly regex: string };
  /** The whole text is the JSON of a value of this schema: one that `decide` takes, without `uniqueItems`. Not beside `constraint`. */
  readonly schema?: JsonSchema;
  /** How many of the likeliest tokens each {@link TokenPiece} reports. 0 by default. */
  readonly alternatives?: number;
  /** Whether each {@link TokenPiece} tells where in the picture the model looked. False by default: it costs a little. */
  readonly attention?: boolean;
}

/** How a beam search goes. */
export interface BeamOptions {
  /** Continuations kept side by side, 1 to 64. 3 by default. */
  readonly beams?: number;
  /** Exponent of the length by which log-probabilities are divided: 0, the default, compares sums, 1 means. */
  readonly lengthPenalty?: number;
  /** Longest text, in tokens. 20 by default. */
  readonly maxNewTokens?: number;
}

/** How given answers are compared. */
export interface ScoringOptions {
  /** An answer's log-probability as the `mean` over its tokens, the default, or their `sum`. */
  readonly reduction?: "mean" | "sum";
  /**
   * Take away what each answer scores when there is no image. False by default. It helps with sentences of which some are
   * said more often than others; words that the shots bind to pictures are told apart worse by it.
   */
  readonly calibrated?: boolean;
  /** Mean over this many orders of the examples, up to 720. 1 by default. */
  readonly orders?: number;
  /**
   * How much the vote of the shots counts, by how much their pictures look like the one asked about, where the
   * likelihood counts 1: from 0, which takes no vote, to 1000. 1 by default. There is a vote if every answer has a shot
   * with a picture, the texts of all shots are answers, and no shot asks another question; else nothing changes.
   */
  readonly resemblance?: number;
}

/** How a value of a schema is decided. */
export interface DecisionOptions extends ScoringOptions {
  /** Most tokens of a text or number that is written; it is then completed so that it is valid. 40 by default. */
  readonly maxNewTokens?: number;
}

/** A value of a JSON schema, and how sure it is. */
export interface Decision {
  /** The value, valid by the schema. */
  readonly value: unknown;
  /** The product of the probabilities of its leaves. */
  readonly probability: number;
  /** Its parts that are neither lists nor objects, and lengths of lists that could have had another. */
  readonly leaves: readonly DecisionLeaf[];
}

/** A part of a decided value. */
export interface DecisionLeaf {
  /** JSON pointer into the value; of a list it is about its length. */
  readonly path: string;
  /** The part's value, or the list's length. */
  readonly value: string | number | boolean | null;
  /** Among the values it could have had, if all are known; of a text or number that was written, the product of its tokens' probabilities. */
  readonly probability: number;
  /** The two parts of the probability, if the shots voted. */
  readonly parts?: ChoiceParts;
}

/** A JSON schema: objects, arrays, `enum`, `const`, boolean, integer, number and string with bounds or pattern, `$ref` within. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A text that a beam search found. */
export interface Hypothesis {
  /** The whole text, without white space around it. */
  readonly text: string;
  /** Rows of the vocabulary, the end of the text not among them. */
  readonly tokenIds: readonly number[];
  /** Sum of the tokens' natural log-probabilities, its end included, divided by the length to the power of `lengthPenalty`. */
  readonly score: number;
  /** Whether the model ended it, not `maxNewTokens`. */
  readonly ended: boolean;
}

/** A given answer and how likely it is among those given. */
export interface Choice {
  /** The answer, as it was given. */
  readonly text: string;
  /** 0 to 1; those of all answers sum to 1. */
  readonly probability: number;
  /** The two parts of the probability, if the shots voted. */
  readonly parts?: ChoiceParts;
}

/** The two parts of a probability, which is in proportion to their geometric mean, in which `vote` has the weight `resemblance` and `likelihood` 1. */
export interface ChoiceParts {
  /** The probability by the language model alone, 0 to 1. */
  readonly likelihood: number;
  /** The share of the shots' vote, 0 to 1, by how much their pictures look like the one asked about. */
  readonly vote: number;
}

/** What a support set keeps beside an image's embedding. */
export interface SupportExample {
  /** Whatever finds the image again: a name, an address. */
  readonly image: string;
  /** The question about it; none where the task asks none. */
  readonly question?: string;
  /** What should be said about it. */
  readonly text: string;
}

/** An example that was found. */
export interface SupportEntry extends Required<SupportExample> {
  /** Its place in the set, counted from 0 in the order they were added. */
  readonly index: number;
}

/** A token that could have come. */
export interface Alternative {
  /** Row of the vocabulary. */
  readonly id: number;
  /** Its text; U+FFFD where that is no whole character. */
  readonly text: string;
  /** Natural logarithm of the probability the model gave it. */
  readonly logProbability: number;
}

/**
 * Where in a picture the model looked when it chose a token: what its text read of the picture's
 * latents, taken through to what those read of the picture. It tells what was looked at, not
 * what caused the word.
 */
export interface AttentionMap {
  /** Number of frames of a clip; 1 of an image. */
  readonly frames: number;
  /** Rows, and columns, of the grid, which covers the whole picture. */
  readonly side: number;
  /** `[frames, side, side]`, row by row. They sum to 1, less what the latents gave each other. */
  readonly weights: readonly number[];
}

/** One generated token. */
export interface TokenPiece {
  /** Row of the vocabulary. */
  readonly id: number;
  /** What this token adds to the text; may be empty inside a character and while it may turn out to be a stop text. */
  readonly text: string;
  /** Natural logarithm of the probability the model gave it, before any option of sampling. */
  readonly logProbability: number;
  /** Wall-clock milliseconds from when the model began with this text, its picture included, to this token. */
  readonly elapsedMs: number;
  /** The likeliest tokens in its place, best first, as many as were asked for. */
  readonly alternatives: readonly Alternative[];
  /** Where in the last picture before it the model looked, where that was asked for and there is one. */
  readonly attention?: AttentionMap;
}

/** Why generation stopped: the model ended its text, one of `stop` came, `maxNewTokens` were made, or its context is full. */
export type StopReason =
  | "end_of_chunk"
  | "stop_text"
  | "max_new_tokens"
  | "context_full"
  | "aborted";

/** Wall-clock milliseconds of one text. */
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

/** A finished text: a caption, an answer, a continuation. */
export interface Caption {
  /** The whole text, without white space around it. */
  readonly text: string;
  /** Rows of the vocabulary, in the order they were written. */
  readonly tokenIds: readonly number[];
  /** Why it ends where it does. */
  readonly stopReason: StopReason;
  /** Tokens of the prompt that were known from an earlier query of the session and not read again. */
  readonly reusedTokens: number;
  /** How long each step took. */
  readonly timings: Timings;
  /**
   * Whether the text is as `constraint` or `schema` has it, where there is one: what was cut off before its end
   * may not be.
   */
  readonly meetsConstraint?: boolean;
}

/** Memory the model holds, in bytes. */
export interface ModelMemory {
  /** The packed weights: on the GPU where it runs there, else on the WebAssembly heap. */
  readonly weightBytes: number;
  /** Pictures that were seen before and need not be encoded again. */
  readonly latentBytes: number;
  /** All buffers on the GPU, weights included; 0 on the CPU. */
  readonly gpuBytesInUse: number;
  /** Memory taken from the GPU, whether used or kept for what comes next; 0 on the CPU. */
  readonly gpuBytesReserved: number;
}

/** What decoding takes, whatever the device makes of it. */
export interface WorkReport {
  /** Bytes of packed weights that are read to decode one token. Keys and values come on top. */
  readonly weightBytesPerToken: number;
  /**
   * Compute dispatches on the GPU so far, of this package's own programs: what a text launched is
   * the difference between before and after. 0 on the CPU, which has none.
   */
  readonly dispatches: number;
}

/** Memory the tab spends on a model, in bytes. */
export interface MemoryReport extends ModelMemory {
  /** The WebAssembly heap. It never shrinks, so this is its peak. */
  readonly heapBytes: number;
}
