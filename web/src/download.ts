/** From an address to verified bytes. Every way in which a request can fail is typed. */

import {
  AbortedError,
  HashMismatchError,
  HtmlInsteadOfFileError,
  HttpStatusError,
  NetworkError,
  ShardLengthError,
} from "./errors.js";
import { manifestOf, type ReadManifest, type ShardEntry } from "./manifest.js";
import { sha256 } from "./sha256.js";

/** What a download needs of its surroundings. */
export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Bytes that arrived since the last call; negative when the file is fetched anew. */
  readonly onBytes: (bytes: number) => void;
}

/** Fetches and checks the `model.json` at `url`. */
export async function fetchManifest(url: string, signal: AbortSignal): Promise<ReadManifest> {
  const response = await request(url, { signal });
  const text = await response.text().catch((cause: unknown) => {
    throw broken(url, signal, cause);
  });
  return manifestOf(text, url);
}

/**
 * Fetches a shard and checks its length and hash. One that comes damaged or in part is asked for once
 * more; a server that gives no answer is not.
 */
export async function fetchShard(
  shard: ShardEntry,
  url: string,
  { signal, onBytes }: DownloadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  let counted = 0;
  const body = (response: Response) =>
    readVerified(response, shard, url, {
      signal,
      onBytes: (bytes) => {
        counted += bytes;
        onBytes(bytes);
      },
    });
  const response = await request(url, { signal, cache: "default" });
  try {
    return await body(response);
  } catch (error) {
    const damaged = error instanceof HashMismatchError || error instanceof ShardLengthError;
    if (!damaged && !(error instanceof NetworkError)) throw error;
    onBytes(-counted);
    // A damaged copy may lie in a cache on the way; ask past it.
    return await body(await request(url, { signal, cache: damaged ? "reload" : "default" }));
  }
}

/** Reads the body of an answer for a shard and checks its length and hash. */
async function readVerified(
  response: Response,
  shard: ShardEntry,
  url: string,
  { signal, onBytes }: DownloadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
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
      onBytes(chunk.length);
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
  return bytes;
}

/** Fetches a file, an image for example. */
export async function fetchFile(url: string, signal: AbortSignal): Promise<Blob> {
  const response = await request(url, { signal });
  return response.blob().catch((cause: unknown) => {
    throw broken(url, signal, cause);
  });
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
