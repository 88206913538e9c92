/** Questions about models that need none loaded. */

import { withoutDownload } from "./download-lock.js";
import { findManifest } from "./find-manifest.js";
import { infoOf } from "./manifest.js";
import { type ModelFolder, readManifest } from "./model-folder.js";
import { pageMemory } from "./storage/memory.js";
import { cachedModels, ModelCache, removeModel } from "./storage/model-cache.js";
import { placesWith } from "./storage/places.js";
import type { CachedModel, ModelInfo } from "./types.js";

/** Reads the `model.json` at an absolute address or in a folder. */
export async function inspectModel(
  source: string | ModelFolder,
  signal: AbortSignal,
): Promise<ModelInfo> {
  if (typeof source !== "string") return infoOf(await readManifest(source, source.name));
  const cache = await ModelCache.open(source, placesWith(pageMemory), () => {});
  return infoOf((await findManifest(source, cache, signal, () => {})).manifest);
}

/** The models of which at least something is kept. */
export function keptModels(): Promise<CachedModel[]> {
  return cachedModels(placesWith(pageMemory));
}

/** Forgets what is kept of the model at an absolute address. */
export function forgetModel(url: string): Promise<void> {
  return withoutDownload(url, () => removeModel(url, placesWith(pageMemory)));
}
