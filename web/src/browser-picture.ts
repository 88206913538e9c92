/** Pictures of formats that the browser knows and the module does not: AVIF, and HEIC on Apple's devices. */

import { ImageError } from "./errors.js";
import type { PixelFrame } from "./types.js";

/** Most pixels of a picture, and the longest side: those of the module. */
const [MAX_PIXELS, MAX_SIDE] = [50_000_000, 65_535];

/** Marks of the kinds that the module decodes, and where in a file they are. What it says of one holds. */
const READ_BY_MODULE: readonly (readonly [at: number, mark: string])[] = [
  [0, "\xff\xd8\xff"],
  [0, "\x89PNG"],
  [8, "WEBP"],
];

/**
 * Has a file read by the module or, where it knows no such format, by the browser.
 *
 * @throws what the module throws, where the browser cannot read it either.
 */
export async function decoding<T>(
  file: Uint8Array<ArrayBuffer>,
  byModule: () => T | Promise<T>,
  byBrowser: (pixels: PixelFrame) => T | Promise<T>,
): Promise<T> {
  try {
    return await byModule();
  } catch (error) {
    if (!(error instanceof ImageError) || READ_BY_MODULE.some((mark) => hasMark(file, mark))) {
      throw error;
    }
    const pixels = await decodedByBrowser(file);
    if (pixels === undefined) throw error;
    return byBrowser(pixels);
  }
}

function hasMark(file: Uint8Array, [at, mark]: readonly [number, string]): boolean {
  return [...mark].every((letter, i) => file[at + i] === letter.charCodeAt(0));
}

/** Upright pixels on white, of the first frame; `undefined` where the browser reads none. */
async function decodedByBrowser(file: Uint8Array<ArrayBuffer>): Promise<PixelFrame | undefined> {
  let bitmap: ImageBitmap;
  try {
    // Colours as the file has them, as the module takes those of other formats.
    bitmap = await createImageBitmap(new Blob([file]), { colorSpaceConversion: "none" });
  } catch {
    return undefined;
  }
  try {
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS || Math.max(width, height) > MAX_SIDE) {
      throw new ImageError({
        reason: `the picture has ${width}×${height} pixels, more than ${MAX_PIXELS / 1e6} megapixels or ${MAX_SIDE} on a side; scale it down first`,
      });
    }
    const context = new OffscreenCanvas(width, height).getContext("2d");
    if (context === null) return undefined;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } finally {
    bitmap.close();
  }
}
