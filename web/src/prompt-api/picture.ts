/** Pictures as pages have them, as they are at this moment. */

import { frameSize } from "../frame-size.js";
import type { ImageSource, PixelFrame } from "../types.js";
import { exception } from "./exceptions.js";

/**
 * Takes a picture out of what a message has: an `ImageBitmapSource` or a `BufferSource`. Its pixels are
 * read before this returns, unless it is an `<img>` that has not loaded. Returns nothing where it is none.
 */
export function pictureOf(value: unknown): Promise<ImageSource> | undefined {
  if (value instanceof Blob) return Promise.resolve(value);
  if (value instanceof ArrayBuffer) return Promise.resolve(new Uint8Array(value.slice(0)));
  if (ArrayBuffer.isView(value)) {
    return Promise.resolve(
      new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice(),
    );
  }
  if (isA("ImageData", value)) {
    const { data, width, height } = value as ImageData;
    return Promise.resolve({ data: new Uint8ClampedArray(data), width, height });
  }
  const loading = (value as { decode?: () => Promise<void> } | null)?.decode;
  if (isA("HTMLImageElement", value) && loading !== undefined) {
    const image = value as HTMLImageElement;
    return image.complete && image.naturalWidth > 0
      ? reading(image)
      : image.decode().then(
          () => pixelsOf(image),
          (cause) => {
            throw exception("InvalidStateError", "The picture cannot be loaded.", cause);
          },
        );
  }
  return DRAWABLE.some((name) => isA(name, value))
    ? reading(value as CanvasImageSource)
    : undefined;
}

const DRAWABLE = [
  "HTMLCanvasElement",
  "HTMLVideoElement",
  "ImageBitmap",
  "OffscreenCanvas",
  "SVGImageElement",
  "VideoFrame",
];

/** Whether a value is of a class, which this place may not have. */
function isA(name: string, value: unknown): boolean {
  const Class = (globalThis as Record<string, unknown>)[name];
  return typeof Class === "function" && value instanceof Class;
}

/** {@link pixelsOf}, now, with what it throws as a rejection. */
function reading(source: CanvasImageSource): Promise<ImageSource> {
  try {
    return Promise.resolve(pixelsOf(source));
  } catch (error) {
    return Promise.reject(error);
  }
}

function pixelsOf(source: CanvasImageSource): PixelFrame {
  const size = sizeOf(source);
  if (!(size.width > 0 && size.height > 0)) {
    throw exception("InvalidStateError", "The picture has no pixels; it may not have loaded yet.");
  }
  const { width, height } = frameSize(size.width, size.height);
  const context = new OffscreenCanvas(width, height).getContext("2d");
  if (context === null)
    throw exception("UnknownError", "This browser gives no canvas to read from.");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, width, height);
  // A picture of another origin that may not be read is a `SecurityError` here.
  return context.getImageData(0, 0, width, height);
}

function sizeOf(source: CanvasImageSource): { width: number; height: number } {
  if ("naturalWidth" in source && source.naturalWidth > 0) {
    return { width: source.naturalWidth, height: source.naturalHeight };
  }
  if ("videoWidth" in source) return { width: source.videoWidth, height: source.videoHeight };
  if ("displayWidth" in source) return { width: source.displayWidth, height: source.displayHeight };
  const { width, height } = source;
  return typeof width === "number" && typeof height === "number"
    ? { width, height }
    : (source as SVGImageElement).getBoundingClientRect();
}
