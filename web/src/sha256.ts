/** Fingerprints. */

import { InsecureContextError } from "./errors.js";

/**
 * SHA-256 in lower-case hexadecimal, computed off the thread by the browser. It offers no digest
 * of a stream, so whoever needs one takes it piece by piece: that is what shards are for.
 */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) throw new InsecureContextError({});
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
