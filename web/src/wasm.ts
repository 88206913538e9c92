/**
 * The WebAssembly module as this package sees it. `wasm-bindgen` writes the
 * same surface into `wasm/flamingo.d.ts`; `worker.ts` holds the two against
 * each other, and tests put a module of their own in its place.
 */

import { type FlamingoError, fromWire } from "./errors.js";
import type { Caption, DevicePreference, DeviceReport, TokenPiece } from "./types.js";

/** Something that lives in the module's heap until it is freed. */
export interface WasmHandle extends Disposable {
  free(): void;
}

/** A device that was opened. */
export interface WasmDevice extends WasmHandle {
  report(): DeviceReport;
}

/** A picture, seen by the model. */
export type WasmImage = WasmHandle;

/** Encoded examples, in order. */
export interface WasmShots extends WasmHandle {
  /** Keeps its own handle on the picture. */
  add(image: WasmImage, text: string): void;
}

/** Takes the bytes of a model in pieces. */
export interface WasmLoader extends WasmHandle {
  /** Tensors that are whole go to the device at once. */
  push(bytes: Uint8Array): void;
  /** Consumes the loader. */
  finish(): WasmModel;
}

/** A model that is ready. */
export interface WasmModel extends WasmHandle {
  /** Decodes a JPEG, PNG or WebP file and encodes it. */
  encode(bytes: Uint8Array): Promise<WasmImage>;
  /** `onPiece` returns, or resolves to, whether to go on. */
  caption(
    shots: WasmShots,
    image: WasmImage,
    maxNewTokens: number,
    onPiece: (piece: TokenPiece) => Promise<boolean>,
  ): Promise<Caption>;
}

/** The module's exports, and its memory. */
export interface WasmModule {
  readonly memory: WebAssembly.Memory;
  selectDevice(preference: DevicePreference): Promise<WasmDevice>;
  readonly ModelLoader: new (device: WasmDevice) => WasmLoader;
  readonly Shots: new () => WasmShots;
}

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
