/**
 * One class per cause. Each has a `code` to switch on, the facts as fields of
 * `details`, and a message that says what to do.
 */

type Details = Readonly<Record<string, unknown>>;

/** Longest message, in letters: whatever was given to be told of, it is read by people. */
const LONGEST_MESSAGE = 800;

/** A text that is told, without its middle where it is long: an address may hold a whole picture. */
export function brief(text: string, longest = 160): string {
  if (text.length <= longest) return text;
  const half = longest >> 1;
  // Half a letter is none.
  const start = text.slice(0, half).replace(/[\ud800-\udbff]$/, "");
  return `${start} … ${text.slice(-half).replace(/^[\udc00-\udfff]/, "")}`;
}

/** Everything this package throws on purpose. */
export abstract class FlamingoError<D extends Details = Details> extends Error {
  /** Stable name of the cause. */
  abstract readonly code: FlamingoErrorCode;

  protected constructor(
    message: string,
    /** The facts of this case. */
    readonly details: D,
    options?: ErrorOptions,
  ) {
    super(brief(message, LONGEST_MESSAGE), options);
    this.name = "FlamingoError";
  }
}

/** A cause that the WebAssembly module found and put in words, remedy included. */
export abstract class ReportedError extends FlamingoError<{ reason: string }> {
  constructor(details: { reason: string }, options?: ErrorOptions) {
    const { reason } = details;
    const end = /[.!?]$/.test(reason) ? "" : ".";
    super(reason.charAt(0).toUpperCase() + reason.slice(1) + end, details, options);
  }
}

/** The server could not be reached, or the connection broke. */
export class NetworkError extends FlamingoError<{ url: string }> {
  readonly code = "network";

  constructor(details: { url: string }, options?: ErrorOptions) {
    super(
      `The connection failed while fetching ${brief(details.url)}. Check the network and try again.`,
      details,
      options,
    );
  }
}

/** The server answered with an error status. */
export class HttpStatusError extends FlamingoError<{ url: string; status: number }> {
  readonly code = "http-status";

  constructor(details: { url: string; status: number }, options?: ErrorOptions) {
    const remedy =
      details.status === 404
        ? "Check the address; a model's shards must lie in the folder of its model.json."
        : "Try again later, or ask whoever runs the server.";
    super(
      `The server answered ${details.status} for ${brief(details.url)}. ${remedy}`,
      details,
      options,
    );
  }
}

/** A web page came back where a file of the model, or an image, should be. */
export class HtmlInsteadOfFileError extends FlamingoError<{ url: string }> {
  readonly code = "html-instead-of-file";

  constructor(details: { url: string }, options?: ErrorOptions) {
    super(
      `${brief(details.url)} is a web page, not a file of a model or an image. The server may answer missing files with its start page, or ask for a login.`,
      details,
      options,
    );
  }
}

/** A shard is shorter or longer than `model.json` says. */
export class ShardLengthError extends FlamingoError<{
  url: string;
  expected: number;
  received: number;
}> {
  readonly code = "shard-length";

  constructor(
    details: { url: string; expected: number; received: number },
    options?: ErrorOptions,
  ) {
    super(
      `${brief(details.url)} should have ${details.expected} bytes and has ${details.received < details.expected ? "only " : ""}${details.received}. Try again; if it stays so, publish the model folder anew.`,
      details,
      options,
    );
  }
}

/** A shard's SHA-256 is not the one in `model.json`. */
export class HashMismatchError extends FlamingoError<{
  url: string;
  expected: string;
  received: string;
}> {
  readonly code = "hash-mismatch";

  constructor(
    details: { url: string; expected: string; received: string },
    options?: ErrorOptions,
  ) {
    super(
      `${brief(details.url)} is damaged: its SHA-256 is not the one in model.json, even where it was fetched twice. Publish the model folder anew.`,
      details,
      options,
    );
  }
}

/** What is kept of a model cannot be removed while it is being downloaded. */
export class ModelInUseError extends FlamingoError<{ url: string }> {
  readonly code = "model-in-use";

  constructor(details: { url: string }, options?: ErrorOptions) {
    super(
      `${brief(details.url)} is just being downloaded, here or in another tab. Wait until it is there or close that tab, then remove it.`,
      details,
      options,
    );
  }
}

/** A file of a model's folder cannot be had. */
export class ModelFileError extends FlamingoError<{
  folder: string;
  file: string;
  reason: string;
}> {
  readonly code = "model-file";

  constructor(details: { folder: string; file: string; reason: string }, options?: ErrorOptions) {
    super(
      `${brief(details.file)} of ${brief(details.folder)} cannot be read (${brief(details.reason)}). Choose the folder anew: the one with model.json and all its shards in it.`,
      details,
      options,
    );
  }
}

/** `model.json` is not one. */
export class ManifestError extends FlamingoError<{ url: string; field: string }> {
  readonly code = "manifest";

  constructor(details: { url: string; field: string }, options?: ErrorOptions) {
    super(
      `${brief(details.url)} is not a model.json this version can read (${brief(details.field)}). Publish the model folder anew with \`flamingo convert\`.`,
      details,
      options,
    );
  }
}

/** The model was made for another version of this package. */
export class UnsupportedVersionError extends FlamingoError<{
  url: string;
  found: number;
  supported: number;
}> {
  readonly code = "unsupported-version";

  constructor(details: { url: string; found: number; supported: number }, options?: ErrorOptions) {
    super(
      `${brief(details.url)} has format version ${details.found}; this version of flamingo-web reads ${details.supported}. Update ${details.found > details.supported ? "flamingo-web" : "the model"}.`,
      details,
      options,
    );
  }
}

/** The browser gives the tools for checking hashes and for WebGPU only to secure pages. */
export class InsecureContextError extends FlamingoError<Record<string, never>> {
  readonly code = "insecure-context";

  constructor(details: Record<string, never>, options?: ErrorOptions) {
    super(
      "The page was loaded over plain http, where browsers offer neither hashing nor WebGPU. Serve it over https or from localhost.",
      details,
      options,
    );
  }
}

/** The Worker's script or the WebAssembly module could not be loaded. */
export class StartError extends FlamingoError<{ reason: string }> {
  readonly code = "start";

  constructor(details: { reason: string }, options?: ErrorOptions) {
    super(
      `flamingo-web could not start: ${details.reason}. Serve all files of the package, to pages of another origin with Access-Control-Allow-Origin. A Content-Security-Policy needs script-src 'wasm-unsafe-eval' and the package's origin in worker-src, with blob: where that is not the page's, and data: in a sandboxed frame.`,
      details,
      options,
    );
  }
}

/** WebGPU was asked for and cannot be had. */
export class NoWebGpuError extends ReportedError {
  readonly code = "no-webgpu";
}

/** The model takes more memory than a tab can have. Told before a shard is fetched. */
export class ModelTooLargeError extends FlamingoError<{
  /** Where it was to run. */
  device: "webgpu" | "cpu";
  /** Bytes of the WebAssembly heap that it would take, estimated. */
  needed: number;
  /** Bytes that the heap can have. */
  available: number;
}> {
  readonly code = "model-too-large";

  constructor(
    details: { device: "webgpu" | "cpu"; needed: number; available: number },
    options?: ErrorOptions,
  ) {
    const [needed, available] = [details.needed, details.available].map((bytes) =>
      (bytes / 1e9).toFixed(1),
    );
    const onCpu = details.device === "cpu";
    super(
      `The model takes about ${needed} GB of the tab's memory ${onCpu ? "on the CPU" : "while its largest tensor is loaded"}, which has ${available} GB at most. Use ${onCpu ? "WebGPU, in a browser and on a device that have it; or " : ""}a model packed in a smaller type, or the native program \`flamingo\`.`,
      details,
      options,
    );
  }
}

/** The GPU went away: driver reset, sleep, or another page took it down. */
export class DeviceLostError extends ReportedError {
  readonly code = "device-lost";
}

/** The GPU refused or failed a computation. */
export class DeviceError extends ReportedError {
  readonly code = "device";
}

/** Neither the GPU nor the tab has the memory. */
export class OutOfMemoryError extends ReportedError {
  readonly code = "out-of-memory";
}

/** The shards are whole but what is in them is not a model this version runs. */
export class InvalidModelError extends FlamingoError<{ reason: string }> {
  readonly code = "invalid-model";

  constructor(details: { reason: string }, options?: ErrorOptions) {
    super(
      `The shards are whole, but hold no model that runs here (${details.reason}). Publish the model folder anew with \`flamingo convert\`, or update flamingo-web.`,
      details,
      options,
    );
  }
}

/** A picture that cannot be decoded, or is too large. */
export class ImageError extends ReportedError {
  readonly code = "image";
}

/** An option that does not exist, or a value it cannot have; the message names the option. */
export class InvalidOptionError extends ReportedError {
  readonly code = "invalid-option";
}

/** A support set that cannot be read, or is another model's. */
export class SupportSetError extends ReportedError {
  readonly code = "support-set";
}

/** A video whose frames cannot be had. */
export class VideoError extends ReportedError {
  readonly code = "video";
}

/** A prompt that the model cannot read: an empty one, say, or an answer that holds an `<image>`. */
export class PromptError extends ReportedError {
  readonly code = "prompt";
}

/** Examples, question and answer have more tokens, or more images, than the model takes. */
export class PromptTooLongError extends ReportedError {
  readonly code = "prompt-too-long";
}

/** The caller's `AbortSignal` fired. Its `name` is `AbortError`, as elsewhere on the web. */
export class AbortedError extends FlamingoError<Record<string, never>> {
  readonly code = "aborted";

  constructor(details: Record<string, never> = {}, options?: ErrorOptions) {
    super("Stopped, as asked.", details, options);
    this.name = "AbortError";
  }
}

/** Throws where the caller asked to stop. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new AbortedError({}, { cause: signal.reason });
}

/** A promise, given up where the caller stops. */
export function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new AbortedError({}, { cause: signal.reason }));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** The model or session was used after `dispose`. */
export class DisposedError extends FlamingoError<{ what: string }> {
  readonly code = "disposed";

  constructor(details: { what: string }, options?: ErrorOptions) {
    super(`This ${details.what} has been disposed of. Make a new one.`, details, options);
  }
}

/** A fault in this package. The Worker is gone. */
export class InternalError extends FlamingoError<{ reason: string }> {
  readonly code = "internal";

  constructor(details: { reason: string }, options?: ErrorOptions) {
    super(
      `A fault inside flamingo-web: ${details.reason}. Load the model again, and please report this.`,
      details,
      options,
    );
  }
}

const classes = {
  network: NetworkError,
  "http-status": HttpStatusError,
  "html-instead-of-file": HtmlInsteadOfFileError,
  "shard-length": ShardLengthError,
  "hash-mismatch": HashMismatchError,
  "model-in-use": ModelInUseError,
  "model-file": ModelFileError,
  manifest: ManifestError,
  "unsupported-version": UnsupportedVersionError,
  "insecure-context": InsecureContextError,
  start: StartError,
  "no-webgpu": NoWebGpuError,
  "model-too-large": ModelTooLargeError,
  "device-lost": DeviceLostError,
  device: DeviceError,
  "out-of-memory": OutOfMemoryError,
  "invalid-model": InvalidModelError,
  image: ImageError,
  "invalid-option": InvalidOptionError,
  "support-set": SupportSetError,
  video: VideoError,
  prompt: PromptError,
  "prompt-too-long": PromptTooLongError,
  aborted: AbortedError,
  disposed: DisposedError,
  internal: InternalError,
} as const;

/** The stable names of all causes. */
export type FlamingoErrorCode = keyof typeof classes;

/** An error as it crosses from the Worker to the page: `postMessage` keeps no classes. */
export interface WireError {
  readonly code: FlamingoErrorCode;
  readonly details: Details;
  readonly cause?: string;
}

/** Takes an error apart for `postMessage`. What is not ours is `out-of-memory` or `internal`. */
export function toWire(error: unknown): WireError {
  if (!(error instanceof FlamingoError)) return toWire(classify(error));
  const wire: WireError = { code: error.code, details: error.details };
  return error.cause === undefined ? wire : { ...wire, cause: describe(error.cause) };
}

/** Puts an error together again, in its class. What is no {@link WireError} is `out-of-memory` or `internal`. */
export function fromWire(wire: unknown): FlamingoError {
  if (wire instanceof FlamingoError) return wire;
  if (!isWireError(wire)) return classify(wire);
  // The code names the class, and so the form of the details.
  const ErrorClass = classes[wire.code] as unknown as new (
    details: Details,
    options?: ErrorOptions,
  ) => FlamingoError;
  return new ErrorClass(wire.details, wire.cause === undefined ? undefined : { cause: wire.cause });
}

/** Gives a class to what JavaScript threw. */
function classify(error: unknown): FlamingoError {
  // V8 says "Array buffer allocation failed", "could not allocate memory"; others alike.
  if (error instanceof RangeError && /allocation|allocate|memory/i.test(error.message)) {
    const remedy = "close other tabs, or load a smaller model";
    return new OutOfMemoryError(
      { reason: `the tab has no memory left (${error.message}); ${remedy}` },
      { cause: error },
    );
  }
  return new InternalError({ reason: describe(error) }, { cause: error });
}

/** Any thrown thing in words. */
export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isWireError(value: unknown): value is WireError {
  return (
    typeof value === "object" &&
    value !== null &&
    "code" in value &&
    typeof value.code === "string" &&
    Object.hasOwn(classes, value.code) &&
    "details" in value
  );
}
