/** Flamingo in a browser tab: everything an embedder uses. */

export { CaptionStream } from "./caption-stream.js";
export {
  AbortedError,
  AdapterLimitError,
  DeviceError,
  DeviceLostError,
  DisposedError,
  FlamingoError,
  type FlamingoErrorCode,
  HashMismatchError,
  HtmlInsteadOfFileError,
  HttpStatusError,
  ImageError,
  InsecureContextError,
  InternalError,
  InvalidModelError,
  ManifestError,
  NetworkError,
  NoWebGpuError,
  OutOfMemoryError,
  PromptError,
  ShardLengthError,
  UnsupportedVersionError,
} from "./errors.js";
export { Flamingo, type LoadOptions } from "./flamingo.js";
export { type CaptionOptions, Session, type SessionOptions } from "./session.js";
export type {
  Caption,
  DevicePreference,
  DeviceReport,
  ImageSource,
  LoadEvent,
  MemoryReport,
  ModelInfo,
  SelfTest,
  Shot,
  StopReason,
  Timings,
  TokenPiece,
} from "./types.js";
