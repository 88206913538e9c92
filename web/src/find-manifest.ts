/** The `model.json` of a published model, with or without a network. */

import { fetchManifest } from "./download.js";
import { NetworkError } from "./errors.js";
import type { ReadManifest } from "./manifest.js";
import type { ModelCache, Warn } from "./storage/model-cache.js";

/** The `model.json` from its server or, where that cannot be reached, of the last visit. */
export async function findManifest(
  url: string,
  cache: ModelCache,
  signal: AbortSignal,
  warn: Warn,
): Promise<ReadManifest> {
  try {
    return await fetchManifest(url, signal);
  } catch (error) {
    const kept = error instanceof NetworkError ? await cache.manifest() : undefined;
    if (kept === undefined) throw error;
    warn("offline", `${url} cannot be reached; the model of the last visit is used.`);
    return kept;
  }
}
