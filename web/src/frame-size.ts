/** How many frames a clip may have, and how large they are: a bound on the memory that one takes. */

import { InvalidOptionError } from "./errors.js";
import type { PixelFrame } from "./types.js";

/** Most frames of a clip. */
export const MAX_FRAMES = 256;

/** The longer side of a frame, in pixels: more than any vision encoder sees. */
export const LONGEST_SIDE = 640;

/** The size in which a frame of `width` by `height` pixels is kept: never larger than it is. */
export function frameSize(
  width: number,
  height: number,
  longestSide: number = LONGEST_SIDE,
): { readonly width: number; readonly height: number } {
  const scale = Math.min(1, longestSide / Math.max(width, height));
  const scaled = (side: number) => Math.max(1, Math.round(side * scale));
  return { width: scaled(width), height: scaled(height) };
}

/**
 * A frame in {@link frameSize}: each pixel is the mean of those in its place, as they are on white.
 * The frame has as many pixels as its size says.
 */
export function scaleDown(frame: PixelFrame): PixelFrame {
  const { width, height } = frameSize(frame.width, frame.height);
  if (width === frame.width && height === frame.height) return frame;
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) {
    const rows = spanOf(y, height, frame.height);
    for (let x = 0; x < width; x++) {
      const mean = meanOnWhite(frame, spanOf(x, width, frame.width), rows);
      data.set(mean, 4 * (y * width + x));
    }
  }
  return { data, width, height };
}

type Rgba = readonly [red: number, green: number, blue: number, alpha: number];

/** First of the pixels that become pixel `i` of `to` along a side of `from`, and the one behind the last. */
const spanOf = (i: number, to: number, from: number): readonly [number, number] => [
  Math.floor((i * from) / to),
  Math.floor(((i + 1) * from) / to),
];

function meanOnWhite(
  { data, width }: PixelFrame,
  [left, right]: readonly [number, number],
  [top, bottom]: readonly [number, number],
): [number, number, number] {
  const count = (right - left) * (bottom - top);
  let [red, green, blue] = [0, 0, 0];
  for (let y = top; y < bottom; y++) {
    for (let i = 4 * (y * width + left); i < 4 * (y * width + right); i += 4) {
      const [r, g, b, a] = [data[i], data[i + 1], data[i + 2], data[i + 3]] as Rgba;
      const alpha = a / 255;
      red += (r - 255) * alpha;
      green += (g - 255) * alpha;
      blue += (b - 255) * alpha;
    }
  }
  return [255 + red / count, 255 + green / count, 255 + blue / count];
}

/**
 * Refuses a clip of too many frames, before any work is done for it.
 *
 * @throws an {@link InvalidOptionError} that says how many there may be.
 */
export function checkFrames(count: number): void {
  if (count > MAX_FRAMES) {
    throw new InvalidOptionError({
      reason: `the clip has ${count} frames, more than ${MAX_FRAMES}; take fewer of them`,
    });
  }
}
