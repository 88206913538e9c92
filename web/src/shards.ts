/**
 * The shards of a model in order, from where they are kept or from the network.
 * Several are on their way at once; each is checked before anyone gets it, and
 * kept before that, so that a download goes on behind the last whole shard.
 */

import { fetchShard } from "./download.js";
import { throwIfAborted } from "./errors.js";
import type { Manifest, ShardEntry } from "./manifest.js";
import { addressesBeside } from "./model-address.js";
import type { Progress } from "./progress.js";
import { sha256 } from "./sha256.js";
import type { ModelCache } from "./storage/model-cache.js";

/**
 * Shards on their way at once: enough to fill a line whose answers take their time, few enough for
 * a phone. Each is in memory from its first byte until it is in the model.
 */
const AT_ONCE = 4;

/** A shard that passed its check. */
export interface VerifiedShard {
  readonly file: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What loading needs of its surroundings. */
export interface ShardOptions {
  readonly cache: ModelCache;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Brings the shards of the manifest that lies at `addresses`, in order. */
export async function* loadShards(
  manifest: Manifest,
  addresses: readonly string[],
  options: ShardOptions,
): AsyncGenerator<VerifiedShard> {
  // Whoever leaves early ends what is on its way.
  const left = new AbortController();
  const signal = AbortSignal.any([options.signal, left.signal]);
  const waiting = [...manifest.shards];
  const coming: Promise<VerifiedShard>[] = [];
  const askForMore = () => {
    for (const shard of waiting.splice(0, AT_ONCE - coming.length)) {
      const urls = addressesBeside(shard.file, addresses);
      const promise = loadShard(shard, urls, { ...options, signal });
      // Its failure is thrown where it is awaited.
      promise.catch(() => {});
      coming.push(promise);
    }
  };
  try {
    for (askForMore(); coming.length > 0; askForMore()) {
      yield await (coming.shift() as Promise<VerifiedShard>);
    }
  } finally {
    left.abort();
  }
}

async function loadShard(
  shard: ShardEntry,
  urls: readonly string[],
  { cache, progress, signal }: ShardOptions,
): Promise<VerifiedShard> {
  const { file } = shard;
  const kept = await readKept(shard, cache);
  throwIfAborted(signal);
  if (kept !== undefined) {
    progress.read(file, kept.length);
    return { file, bytes: kept };
  }
  const onBytes = (bytes: number) => progress.receive(file, bytes);
  const bytes = await fetchShard(shard, urls, { signal, onBytes });
  await cache.write(shard, bytes);
  return { file, bytes };
}

/** A shard from the cache, if what lies there is it. */
async function readKept(
  shard: ShardEntry,
  cache: ModelCache,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = await cache.read(shard);
  if (bytes === undefined) return undefined;
  if ((await sha256(bytes)) === shard.sha256) return bytes;
  await cache.discard(shard);
  return undefined;
}
