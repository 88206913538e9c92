/** Errors as the Prompt API tells them. */

import {
  AbortedError,
  DisposedError,
  FlamingoError,
  HtmlInsteadOfFileError,
  HttpStatusError,
  ImageError,
  InvalidOptionError,
  NetworkError,
  PromptError,
  VideoError,
} from "../errors.js";

/** A `DOMException`, with what was thrown as its cause where there is such a thing. */
export function exception(name: string, message: string, cause?: unknown): DOMException {
  const error = new DOMException(message, name);
  if (cause !== undefined) {
    Object.defineProperty(error, "cause", { value: cause, configurable: true });
  }
  return error;
}

/** What our models cannot do. */
export const notSupported = (message: string): DOMException =>
  exception("NotSupportedError", message);

/** Tokens that were wanted, and tokens that there are. */
interface Quota {
  readonly requested: number;
  readonly quota: number;
}

/** A `QuotaExceededError`, of the browser's own class where it has one. */
export function quotaExceeded({ requested, quota }: Quota): DOMException {
  const message = `The prompt has ${requested} tokens and may have ${quota}. Shorten it, or create a session with fewer initial prompts.`;
  const { QuotaExceededError } = globalThis as {
    QuotaExceededError?: new (message: string, quota: Quota) => DOMException;
  };
  if (QuotaExceededError !== undefined)
    return new QuotaExceededError(message, { requested, quota });
  return Object.assign(exception("QuotaExceededError", message), { requested, quota });
}

/** Names for what this package throws; all else is `other`. */
const NAMES: readonly (readonly [new (...details: never[]) => FlamingoError, string])[] = [
  [AbortedError, "AbortError"],
  [DisposedError, "InvalidStateError"],
  [ImageError, "InvalidStateError"],
  [VideoError, "InvalidStateError"],
  [InvalidOptionError, "NotSupportedError"],
  [PromptError, "NotSupportedError"],
  [NetworkError, "NetworkError"],
  [HttpStatusError, "NetworkError"],
  [HtmlInsteadOfFileError, "NetworkError"],
];

/** Gives what was thrown its name of the Prompt API; what has one, or is no error of this package, stays. */
export function named(error: unknown, other: "OperationError" | "UnknownError"): unknown {
  if (!(error instanceof FlamingoError)) return error;
  const name = NAMES.find(([Class]) => error instanceof Class)?.[1] ?? other;
  return exception(name, error.message, error);
}
