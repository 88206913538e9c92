/** Everything the page shows. Views read it; only {@link App} writes it. */

import type {
  Caption,
  DevicePreference,
  DeviceReport,
  Flamingo,
  FlamingoError,
  LoadEvent,
  ModelInfo,
  TokenPiece,
} from "flamingo-web";
import type { Photo } from "./photo.js";

/** How far the model has come. */
export type Loading =
  | { readonly phase: "starting" }
  | {
      readonly phase: "downloading";
      readonly loaded: number;
      readonly total: number;
      /** Milliseconds until the rest is there, once that is known. */
      readonly remainingMs: number | undefined;
    }
  | { readonly phase: "building" }
  | { readonly phase: "ready"; readonly model: Flamingo }
  | { readonly phase: "failed"; readonly error: FlamingoError };

/** What was mended while the model was loaded. */
export type Notice = Extract<LoadEvent, { status: "warning" }>;

/** A picture with the text it should get. */
export interface Example {
  /** Tells one card from another. */
  readonly id: number;
  readonly photo: Photo;
  readonly text: string;
}

/** The caption on show. */
export type Writing =
  | { readonly phase: "none" }
  | { readonly phase: "writing"; readonly pieces: readonly TokenPiece[] }
  | {
      readonly phase: "done";
      readonly pieces: readonly TokenPiece[];
      readonly caption: Caption;
      /** Of the WebAssembly heap, after this caption. */
      readonly heapBytes: number;
    }
  /** Stopped by the user; what was written so far stays. */
  | { readonly phase: "stopped"; readonly pieces: readonly TokenPiece[] }
  | { readonly phase: "failed"; readonly error: FlamingoError };

export interface State {
  readonly preference: DevicePreference;
  readonly loading: Loading;
  readonly notices: readonly Notice[];
  readonly info: ModelInfo | undefined;
  readonly device: DeviceReport | undefined;
  readonly photo: Photo | undefined;
  readonly examples: readonly Example[];
  readonly writing: Writing;
}

/** What the user can do. */
export interface Actions {
  choosePhoto(file: File): void;
  addExamples(files: readonly File[]): void;
  describeExample(id: number, text: string): void;
  removeExample(id: number): void;
  chooseDevice(device: DevicePreference): void;
  /** Loads the model again, after a failure. */
  retry(): void;
  caption(): void;
  stop(): void;
}
