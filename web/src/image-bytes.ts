/** Pictures on their way to the Worker. */

import type { ImageSource } from "./types.js";

/** The file's bytes in a buffer of their own, so that giving it away takes nothing from the caller. */
export async function imageBytes(source: ImageSource): Promise<ArrayBuffer> {
  if (source instanceof Blob) return source.arrayBuffer();
  return new Uint8Array(source).slice().buffer;
}
