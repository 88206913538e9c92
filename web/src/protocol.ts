/**
 * What the page may ask of the Worker. Comlink carries the calls; each that
 * takes long has a {@link TaskId}, by which it can be stopped, because an
 * `AbortSignal` cannot cross `postMessage`. A call that fails throws a
 * `WireError`.
 */

import type {
  Caption,
  DevicePreference,
  DeviceReport,
  LoadEvent,
  MemoryReport,
  ModelInfo,
  TokenPiece,
} from "./types.js";

/** Names one running call. */
export type TaskId = number;

/** Names a set of encoded examples in the Worker. */
export type SessionId = number;

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

/** An example as it crosses: the file's bytes and its text. */
export interface WireShot {
  readonly image: ArrayBuffer;
  readonly text: string;
}

/** One caption to make. */
export interface CaptionRequest {
  readonly session: SessionId;
  /** The bytes of the photo's file. */
  readonly image: ArrayBuffer;
  readonly maxNewTokens: number;
}

/** The Worker's side. One Worker holds one model. */
export interface WorkerApi {
  /** Fetches and builds the model. `url` is absolute. */
  load(
    task: TaskId,
    url: string,
    device: DevicePreference,
    onEvent: Notify<LoadEvent>,
  ): Promise<LoadedModel>;
  /** Encodes examples once, for every caption of the session. */
  openSession(task: TaskId, session: SessionId, shots: readonly WireShot[]): Promise<void>;
  /** Forgets the session's examples. */
  closeSession(session: SessionId): void;
  /** Writes a caption; `onPiece` gets each token as it is found. */
  caption(task: TaskId, request: CaptionRequest, onPiece: Notify<TokenPiece>): Promise<Caption>;
  /** Stops a call; it then rejects with `aborted`. Unknown tasks are ignored: they have ended. */
  abort(task: TaskId): void;
  memory(): MemoryReport;
}
