/** The `model.json` of a published model, with or without a network. */

import { type FetchedManifest, fetchManifest } from "./download.js";
import {
  brief,
  HtmlInsteadOfFileError,
  HttpStatusError,
  ManifestError,
  NetworkError,
} from "./errors.js";
import type { ModelCache, Warn } from "./storage/model-cache.js";

/**
 * The `model.json` from its server or, where that gives none just now, of the last visit: it may be
 * out of reach, in trouble, or behind a page that asks for a login.
 */
export async function findManifest(
  url: string,
  cache: ModelCache,
  signal: AbortSignal,
  warn: Warn,
): Promise<FetchedManifest> {
  try {
    return await fetchManifest(url, signal);
  } catch (error) {
    const trouble = troubleOf(error);
    const kept = trouble === undefined ? undefined : await cache.manifest();
    if (kept === undefined) throw error;
    warn("offline", `${brief(url)} ${trouble}; the model of the last visit is used.`);
    return { ...kept, addresses: [url] };
  }
}

/** Statuses by which a server says that there is no such model, not that it cannot give it now. */
const GONE = [404, 410];

/** The fault, in words, if it may pass; `undefined` if the answer holds. */
function troubleOf(error: unknown): string | undefined {
  if (error instanceof NetworkError) return "cannot be reached";
  if (error instanceof HttpStatusError) {
    const { status } = error.details;
    return GONE.includes(status) ? undefined : `cannot be had (the server answered ${status})`;
  }
  if (error instanceof HtmlInsteadOfFileError)
    return "cannot be had (a web page came in its place)";
  if (error instanceof ManifestError) return `is none just now (${brief(error.details.field)})`;
  return undefined;
}
