/**
 * The WebAssembly module as this package sees it. `wasm-bindgen` writes the
 * same surface into `flamingo.d.ts` of both builds; `modules.ts` holds them against
 * each other, and tests put a module of their own in their place.
 */

import { type FlamingoError, fromWire } from "./errors.js";
import type { WireOptions } from "./protocol.js";
import type {
  BeamOptions,
  Caption,
  Choice,
  DecisionOptions,
  DevicePreference,
  DeviceReport,
  Hypothesis,
  ModelMemory,
  ScoringOptions,
  SupportEntry,
  Task,
  TokenPiece,
  WorkReport,
} from "./types.js";

/** Something that lives in the module's heap until it is freed. */
export interface WasmHandle extends Disposable {
  free(): void;
}

/** A device that was opened. */
export interface WasmDevice extends WasmHandle {
  report(): DeviceReport;
}

/** An image or a clip, seen by the model. */
export type WasmMedia = WasmHandle;

/** Pictures on their way into a model, scaled as they come: the frames of a clip in order, or one image. */
export interface WasmFrames extends WasmHandle {
  pushPixels(rgba: Uint8Array, width: number, height: number): void;
  pushFile(bytes: Uint8Array): void;
}

/** Examples, in order. Keeps its own handles on images and clips. */
export interface WasmExamples extends WasmHandle {
  addText(question: string, answer: string): void;
  addMedia(media: WasmMedia, question: string, answer: string): void;
}

/** What is asked. Keeps its own handle on its image or clip. */
export interface WasmQuery extends WasmHandle {
  setMedia(media: WasmMedia): void;
}

/** Text, images and clips in the order the model reads them. Keeps its own handles. */
export interface WasmPrompt extends WasmHandle {
  addText(text: string): void;
  addMedia(media: WasmMedia): void;
  addEndOfChunk(): void;
}

/** A token as the module tells it. It has no clock. */
export type WasmPiece = Omit<TokenPiece, "elapsedMs">;

/** How likely an answer is, which is known by its place. */
export type WasmChoice = Omit<Choice, "text">;

/** Returns, or resolves to, whether to go on. */
export type OnPiece = (piece: WasmPiece) => Promise<boolean>;

/** A task with its examples and turns. It refuses a call while another is under way. */
export interface WasmSession extends WasmHandle {
  setExamples(examples: WasmExamples): void;
  forgetTurns(): void;
  answer(query: WasmQuery, options: WireOptions, onPiece: OnPiece): Promise<Caption>;
  /** As `answer`, and keeps both as a turn. */
  converse(query: WasmQuery, options: WireOptions, onPiece: OnPiece): Promise<Caption>;
  /** In the order of the choices. */
  choose(query: WasmQuery, choices: string[], options: ScoringOptions): Promise<WasmChoice[]>;
  /** A decision about a schema, both as JSON. */
  decide(query: WasmQuery, schema: string, options: DecisionOptions): Promise<string>;
  /** Best first. */
  beamSearch(query: WasmQuery, options: BeamOptions): Promise<Hypothesis[]>;
}

/** Images with texts, found again by what they look like. */
export interface WasmSupportSet extends WasmHandle {
  add(embedding: Float32Array, image: string, question: string, answer: string): void;
  /** The most similar last. */
  nearest(embedding: Float32Array, count: number): SupportEntry[];
  toBytes(): Uint8Array;
}

/** A caption by a model that knows nothing, which has the GPU compile what the model will need. */
export interface WasmRehearsal extends WasmHandle {
  /** Takes the rehearsal: it need not be freed afterwards. */
  run(onStep: (done: number, total: number) => void): Promise<void>;
}

/** Takes the bytes of a model in pieces. */
export interface WasmLoader extends WasmHandle {
  /** Tensors that are whole go to the device at once. */
  push(bytes: Uint8Array): void;
  /** Nothing before the header has arrived, and nothing on the CPU. */
  rehearsal(): WasmRehearsal | undefined;
  /** Consumes the loader. */
  finish(): WasmModel;
}

/** A model that is ready. */
export interface WasmModel extends WasmHandle {
  /** Decodes a JPEG, PNG or WebP file and encodes it. */
  encode(bytes: Uint8Array): Promise<WasmMedia>;
  /** Encodes frames as one clip; a single frame is an image. */
  encodeClip(frames: WasmFrames): Promise<WasmMedia>;
  /** What a file looks like, as a direction of length 1. */
  embed(bytes: Uint8Array): Promise<Float32Array>;
  embedPixels(rgba: Uint8Array, width: number, height: number): Promise<Float32Array>;
  countTokens(prompt: WasmPrompt): number;
  memory(): ModelMemory;
  work(): WorkReport;
  copyBandwidth(): Promise<number>;
  generate(prompt: WasmPrompt, options: WireOptions, onPiece: OnPiece): Promise<Caption>;
}

/** The module's exports, its memory, and where it came from. */
export interface WasmModule {
  /** The address of its file. */
  readonly url: string;
  readonly memory: WebAssembly.Memory;
  selectDevice(preference: DevicePreference, int8Activations: boolean): Promise<WasmDevice>;
  readonly ModelLoader: new (device: WasmDevice, length: number) => WasmLoader;
  readonly Frames: new (model: WasmModel) => WasmFrames;
  readonly Examples: new () => WasmExamples;
  readonly Query: new (question: string) => WasmQuery;
  readonly Prompt: new () => WasmPrompt;
  readonly Session: new (model: WasmModel, task: Task | undefined) => WasmSession;
  readonly SupportSet: {
    new (model: WasmModel): WasmSupportSet;
    fromBytes(bytes: Uint8Array): WasmSupportSet;
  };
}

/**
 * What the module was built for: WebGPU, or the CPU on one thread; or the CPU on threads that
 * share its memory, which browsers allow only to pages that are isolated from other origins.
 */
export type WasmBuild = "webgpu" | "threads";

/** Compiles and starts a module, whose memory can grow to `heapBytes` where that must be asked for. */
export type StartWasm = (build: WasmBuild, heapBytes?: number) => Promise<WasmModule>;

/** The form in which the module throws. */
interface WasmError {
  readonly code: string;
  readonly message: string;
}

/** Awaits a call into the module and gives what it throws its class. */
export async function calling<T>(call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw typed(error);
  }
}

function typed(error: unknown): FlamingoError {
  const { code, message } = error as Partial<WasmError>;
  return typeof code === "string"
    ? fromWire({ code, details: { reason: message } })
    : fromWire(error);
}
