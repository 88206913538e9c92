/** Tells frames that show something new from frames that hardly differ from the last one of interest. */

import { present } from "../../invariant.js";

/** Brightness of each place of a small picture, row by row. */
export type GreyThumbnail = Uint8Array;

/** Brightness of RGBA pixels, as television weighs the colours. */
export function greyOf(rgba: Uint8ClampedArray): GreyThumbnail {
  const grey = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < grey.length; i++) {
    const [red = 0, green = 0, blue = 0] = rgba.subarray(4 * i, 4 * i + 3);
    grey[i] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
  }
  return grey;
}

/** Mean over all places of how much brighter or darker they are, 0 to 255. */
export function meanAbsoluteDifference(a: GreyThumbnail, b: GreyThumbnail): number {
  let sum = 0;
  a.forEach((grey, i) => {
    sum += Math.abs(grey - present(b[i], "thumbnails are of one size"));
  });
  return sum / a.length;
}

/**
 * Compares with the last frame that was new, not with the one before: what creeps in frame by frame
 * is noticed too, once it is enough.
 */
export class ChangeDetector {
  #last: GreyThumbnail | undefined;

  /** Whether a frame differs by at least `threshold`, on average over its places; the first always does. */
  isNew(frame: GreyThumbnail, threshold: number): boolean {
    const last = this.#last;
    if (last !== undefined && meanAbsoluteDifference(last, frame) < threshold) return false;
    this.#last = frame;
    return true;
  }
}
