/** Videos of which only the whole can be had. */

import { AbortedError, brief, describe, VideoError } from "./errors.js";

/** Longest video that is fetched as a whole, in bytes. */
const MAX_BYTES = 256_000_000;

/**
 * Fetches a video in which one cannot seek at its address.
 *
 * @throws a {@link VideoError} where it cannot be had, or is too large.
 */
export async function fetchWhole(
  url: string,
  credentials: RequestCredentials,
  signal?: AbortSignal,
): Promise<Blob> {
  const stuck = "one cannot seek in the video: its server gives no parts of it (HTTP ranges)";
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    const response = await fetch(url, { credentials, ...(signal && { signal }) });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const reader = response.body?.getReader();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done || value === undefined) return new Blob(parts);
      parts.push(value);
      length += value.length;
      if (length > MAX_BYTES) {
        await reader?.cancel();
        break;
      }
    }
  } catch (cause) {
    if (signal?.aborted) throw new AbortedError({}, { cause: signal.reason });
    const reason = `${stuck}, nor can the whole be fetched (${brief(describe(cause))}); choose its file from the disk`;
    throw new VideoError({ reason }, { cause });
  }
  const reason = `${stuck}, and it is larger than ${MAX_BYTES / 1e6} MB; choose its file from the disk`;
  throw new VideoError({ reason });
}
