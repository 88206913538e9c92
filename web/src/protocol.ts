/**
 * What the page may ask of the Worker. Comlink carries the calls; each that
 * takes long has a {@link TaskId}, by which it can be stopped, because an
 * `AbortSignal` cannot cross `postMessage`. A call that fails throws a
 * `WireError`.
 */

import type { WireImage, WireMedia } from "./media.js";
import type { FolderFiles } from "./model-folder.js";
import type { FileStore } from "./storage/file-store.js";
import type {
  BeamOptions,
  Caption,
  Decision,
  DecisionOptions,
  DeviceReport,
  DeviceWish,
  GenerateOptions,
  Hypothesis,
  LoadEvent,
  MemoryReport,
  ModelInfo,
  ScoringOptions,
  SupportEntry,
  SupportExample,
  Task,
  TokenPiece,
  WorkReport,
} from "./types.js";
import type { WasmChoice } from "./wasm.js";

/** How a text is made, with a schema as JSON among the constraints. */
export type WireOptions = Omit<GenerateOptions, "constraint" | "schema"> & {
  readonly constraint?: GenerateOptions["constraint"] | { readonly schema: string };
};

/** Names one running call. */
export type TaskId = number;

/** Names a session in the Worker. */
export type SessionId = number;

/** Names a support set in the Worker. */
export type SupportSetId = number;

/**
 * Tells the page something on the way. Resolves when the page has taken it, and
 * all it was told before: a call's answer travels by another port and could
 * overtake the last of them.
 */
export type Notify<T> = (value: T) => void | Promise<void>;

/** A model that is ready. */
export interface LoadedModel {
  readonly info: ModelInfo;
  readonly device: DeviceReport;
}

/** An example as it crosses. */
export interface WireShot {
  readonly media?: WireMedia | undefined;
  readonly question: string;
  readonly text: string;
}

/** A query of a session as it crosses. */
export interface WireQuery {
  readonly session: SessionId;
  readonly media?: WireMedia | undefined;
  readonly question: string;
}

/** A part of a prompt as it crosses. */
export type WirePart = string | { readonly media: WireMedia } | { readonly endOfChunk: true };

/**
 * The Worker's side. One Worker holds one model. Calls of one session are answered in their order;
 * sessions and support sets that ask at the same time take turns.
 */
export interface WorkerApi {
  /**
   * Fetches and builds the model. `url` is absolute; `memory` is the page's, for what no other
   * place keeps.
   */
  load(
    task: TaskId,
    url: string,
    wish: DeviceWish,
    memory: FileStore,
    onEvent: Notify<LoadEvent>,
  ): Promise<LoadedModel>;
  /** Builds the model of a folder at hand, which people call `name`. */
  loadFolder(
    task: TaskId,
    name: string,
    files: FolderFiles,
    wish: DeviceWish,
    onEvent: Notify<LoadEvent>,
  ): Promise<LoadedModel>;
  /** Encodes examples once, for every query of the session. */
  openSession(
    task: TaskId,
    session: SessionId,
    about: Task | undefined,
    shots: readonly WireShot[],
  ): Promise<void>;
  /** Forgets the session's examples and turns. */
  closeSession(session: SessionId): void;
  /** Forgets the session's turns. */
  forgetTurns(task: TaskId, session: SessionId): Promise<void>;
  /** Answers a query; `onPiece` gets each token as it is found. `remember` keeps both as a turn. */
  answer(
    task: TaskId,
    query: WireQuery,
    remember: boolean,
    options: WireOptions,
    onPiece: Notify<TokenPiece>,
  ): Promise<Caption>;
  /** How likely given answers are, in their order. */
  choose(
    task: TaskId,
    query: WireQuery,
    choices: readonly string[],
    options: ScoringOptions,
  ): Promise<WasmChoice[]>;
  /** A value of a schema, which is given as JSON. */
  decide(
    task: TaskId,
    query: WireQuery,
    schema: string,
    options: DecisionOptions,
  ): Promise<Decision>;
  /** The best answers, best first. */
  beamSearch(task: TaskId, query: WireQuery, options: BeamOptions): Promise<Hypothesis[]>;
  /** Continues a prompt for a session; `onPiece` gets each token as it is found. */
  generate(
    task: TaskId,
    session: SessionId,
    prompt: readonly WirePart[],
    options: WireOptions,
    onPiece: Notify<TokenPiece>,
  ): Promise<Caption>;
  /** Number of tokens of a prompt. */
  countTokens(task: TaskId, session: SessionId, prompt: readonly WirePart[]): Promise<number>;
  /** What an image looks like, as a direction of length 1. */
  embed(task: TaskId, image: WireImage): Promise<Float32Array>;
  /** Makes a support set, from what `saveSupportSet` gave or an empty one. */
  openSupportSet(task: TaskId, set: SupportSetId, saved: Uint8Array | undefined): Promise<void>;
  closeSupportSet(set: SupportSetId): void;
  addToSupportSet(
    task: TaskId,
    set: SupportSetId,
    image: WireImage,
    example: SupportExample,
  ): Promise<void>;
  /** The most similar last. */
  nearest(
    task: TaskId,
    set: SupportSetId,
    image: WireImage,
    count: number,
  ): Promise<SupportEntry[]>;
  saveSupportSet(task: TaskId, set: SupportSetId): Promise<Uint8Array>;
  /** Stops a call; it then rejects with `aborted`. Unknown tasks are ignored: they have ended. */
  abort(task: TaskId): void;
  memory(task: TaskId): Promise<MemoryReport>;
  work(task: TaskId): Promise<WorkReport>;
  /** Bytes a second. */
  copyBandwidth(task: TaskId): Promise<number>;
}
