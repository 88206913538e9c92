/**
 * From an address to verified bytes. A shard is in memory only from its first
 * byte until the next shard is asked for, except one that is fetched ahead.
 */

import {
  AbortedError,
  HashMismatchError,
  HtmlInsteadOfFileError,
  HttpStatusError,
  InsecureContextError,
  ManifestError,
  NetworkError,
  ShardLengthError,
} from "./errors.js";
import { type Manifest, parseManifest, type ShardEntry } from "./manifest.js";

/** What a download needs of its surroundings. */
export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Bytes of `file` that arrived since the last call; negative when a damaged file is fetched anew. */
  readonly onBytes: (file: string, bytes: number) => void;
}

/** A shard that passed its check. */
export interface VerifiedShard {
  readonly file: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Fetches and checks the `model.json` at `url`. */
export async function fetchManifest(url: string, signal: AbortSignal): Promise<Manifest> {
  const response = await request(url, { signal });
  const text = await response.text().catch((cause: unknown) => {
    throw broken(url, signal, cause);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ManifestError({ url, field: "it is not JSON" }, { cause });
  }
  return parseManifest(json, url);
}

/**
 * Fetches the shards of the manifest at `manifestUrl` in order, each verified.
 * One is fetched ahead while the caller works on the one before it.
 */
export async function* fetchShards(
  manifest: Manifest,
  manifestUrl: string,
  options: DownloadOptions,
): AsyncGenerator<VerifiedShard> {
  // A failure ends the fetch ahead too, so that nothing goes on in the background.
  const ahead = new AbortController();
  const signal = AbortSignal.any([options.signal, ahead.signal]);
  const fetchOne = (shard: ShardEntry) => {
    const promise = fetchShard(shard, new URL(shard.file, manifestUrl).href, {
      ...options,
      signal,
    });
    // Its failure is thrown where it is awaited.
    promise.catch(() => {});
    return promise;
  };
  try {
    const [first, ...others] = manifest.shards;
    if (first === undefined) return;
    let current = fetchOne(first);
    for (const shard of others) {
      const bytes = await current;
      const next = fetchOne(shard);
      yield bytes;
      current = next;
    }
    yield await current;
  } finally {
    ahead.abort();
  }
}

async function fetchShard(
  shard: ShardEntry,
  url: string,
  options: DownloadOptions,
): Promise<VerifiedShard> {
  let counted = 0;
  const onBytes = (file: string, bytes: number) => {
    counted += bytes;
    options.onBytes(file, bytes);
  };
  try {
    return await fetchVerified(shard, url, { ...options, onBytes });
  } catch (error) {
    if (!(error instanceof HashMismatchError || error instanceof ShardLengthError)) throw error;
    // A damaged copy may lie in a cache on the way; ask past it, once.
    options.onBytes(shard.file, -counted);
    return await fetchVerified(shard, url, options, "reload");
  }
}

async function fetchVerified(
  shard: ShardEntry,
  url: string,
  { signal, onBytes }: DownloadOptions,
  cache: RequestCache = "default",
): Promise<VerifiedShard> {
  const response = await request(url, { signal, cache });
  const bytes = new Uint8Array(shard.bytes);
  let received = 0;
  try {
    for await (const chunk of chunks(response)) {
      if (received + chunk.length > bytes.length) {
        received += chunk.length;
        break;
      }
      bytes.set(chunk, received);
      received += chunk.length;
      onBytes(shard.file, chunk.length);
    }
  } catch (cause) {
    throw broken(url, signal, cause);
  }
  if (received !== shard.bytes) {
    throw new ShardLengthError({ url, expected: shard.bytes, received });
  }
  const hash = await sha256(bytes);
  if (hash !== shard.sha256) {
    throw new HashMismatchError({ url, expected: shard.sha256, received: hash });
  }
  return { file: shard.file, bytes };
}

/** `fetch`, with every way it can fail typed. */
async function request(
  url: string,
  init: RequestInit & { signal: AbortSignal },
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    throw broken(url, init.signal, cause);
  }
  if (!response.ok) throw new HttpStatusError({ url, status: response.status });
  if (response.headers.get("content-type")?.startsWith("text/html")) {
    throw new HtmlInsteadOfFileError({ url });
  }
  return response;
}

/** Reads a body chunk by chunk; Safari's streams are not async iterable. */
async function* chunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Ends the transfer where the caller stopped before the end.
    await reader.cancel().catch(() => {});
  }
}

function broken(url: string, signal: AbortSignal, cause: unknown): Error {
  return signal.aborted
    ? new AbortedError({}, { cause: signal.reason })
    : new NetworkError({ url }, { cause });
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) throw new InsecureContextError({});
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
