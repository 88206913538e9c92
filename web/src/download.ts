/** From an address to verified bytes. Every way in which a request can fail is typed. */

import {
  AbortedError,
  HashMismatchError,
  HtmlInsteadOfFileError,
  HttpStatusError,
  NetworkError,
  ShardLengthError,
} from "./errors.js";
import { MAX_MANIFEST_BYTES, manifestOf, type ReadManifest, type ShardEntry } from "./manifest.js";
import { sha256 } from "./sha256.js";
import { isWebPage } from "./web-page.js";

/** What a download needs of its surroundings. */
export interface DownloadOptions {
  readonly signal: AbortSignal;
  /** Bytes that arrived since the last call; negative when the file is fetched anew. */
  readonly onBytes: (bytes: number) => void;
}

/** A `model.json` that came from a server. */
export interface FetchedManifest extends ReadManifest {
  /** The addresses it has: where the server led to first, then the one that was asked. */
  readonly addresses: readonly string[];
}

/** Bytes at the beginning of a file that tell a web page. */
const HEAD_BYTES = 512;

/** Fetches and checks the `model.json` at `url`. */
export async function fetchManifest(url: string, signal: AbortSignal): Promise<FetchedManifest> {
  const response = await request(url, { signal });
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (const chunk of chunks(response)) {
      parts.push(chunk);
      length += chunk.length;
      // A file of another kind, of any size. What came tells which.
      if (length > MAX_MANIFEST_BYTES) break;
    }
  } catch (cause) {
    throw broken(url, signal, cause);
  }
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  try {
    return { ...manifestOf(bytes, url), addresses: [response.url || url, url] };
  } catch (error) {
    throw isWebPage(bytes, response) ? new HtmlInsteadOfFileError({ url }) : error;
  }
}

/**
 * Fetches a shard from the first of `urls` that has it, and checks its length and hash. One that
 * comes damaged or in part is asked for once more; a server that gives no answer is not.
 */
export async function fetchShard(
  shard: ShardEntry,
  [url = "", ...others]: readonly string[],
  options: DownloadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await fetchFrom(shard, url, options);
  } catch (error) {
    const missing = error instanceof HttpStatusError || error instanceof HtmlInsteadOfFileError;
    if (!missing || others.length === 0) throw error;
    // Where each file is led to another place, what lies beside one of them is nothing.
    return fetchShard(shard, others, options);
  }
}

async function fetchFrom(
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
  let head: Uint8Array = new Uint8Array();
  let received = 0;
  try {
    for await (const chunk of chunks(response)) {
      if (received === 0) head = chunk.slice(0, HEAD_BYTES);
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
  const hash = received === shard.bytes ? await sha256(bytes) : "";
  if (hash === shard.sha256) return bytes;
  if (isWebPage(head, response)) throw new HtmlInsteadOfFileError({ url });
  throw received === shard.bytes
    ? new HashMismatchError({ url, expected: shard.sha256, received: hash })
    : new ShardLengthError({ url, expected: shard.bytes, received });
}

/** Fetches a file, an image for example. */
export async function fetchFile(url: string, signal: AbortSignal): Promise<Blob> {
  const response = await request(url, { signal });
  try {
    const blob = await response.blob();
    const head = new Uint8Array(await blob.slice(0, HEAD_BYTES).arrayBuffer());
    if (!isWebPage(head, response)) return blob;
  } catch (cause) {
    throw broken(url, signal, cause);
  }
  throw new HtmlInsteadOfFileError({ url });
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
  return response;
}

/** Reads a body chunk by chunk; Safari's streams are not async iterable. */
async function* chunks(response: Response): AsyncGenerator<Uint8Array<ArrayBuffer>> {
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
