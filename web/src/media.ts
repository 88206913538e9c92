/** Images and clips on their way to the Worker. */

import { ImageError } from "./errors.js";
import type { ImageSource, MediaSource } from "./types.js";

/** An image as it crosses: the bytes of its file, or of its pixels. */
export type WireImage =
  | { readonly file: ArrayBuffer }
  | { readonly rgba: ArrayBuffer; readonly width: number; readonly height: number };

/** An image, or the frames of a clip. */
export type WireMedia = WireImage | { readonly frames: readonly WireImage[] };

/** Takes an image apart into buffers of its own, so that what the caller does with its own afterwards changes nothing. */
export async function imageToWire(source: ImageSource): Promise<WireImage> {
  if (source instanceof Blob) return { file: await source.arrayBuffer() };
  if (source instanceof ArrayBuffer) return { file: source.slice(0) };
  if (source instanceof Uint8Array) return { file: copyOf(source) };
  const { data, width, height } = "data" in source ? source : pixelsOf(source);
  return { rgba: copyOf(data), width, height };
}

/** {@link imageToWire}, of a clip too. */
export async function mediaToWire(source: MediaSource): Promise<WireMedia> {
  return "frames" in source
    ? { frames: await Promise.all(source.frames.map(imageToWire)) }
    : imageToWire(source);
}

function copyOf(bytes: Uint8Array | Uint8ClampedArray): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/** A canvas turns whatever colours the decoder left into RGBA. */
function pixelsOf(frame: VideoFrame): ImageData {
  const { displayWidth: width, displayHeight: height } = frame;
  if (width === 0 || height === 0) {
    throw new ImageError({ reason: "the video frame has no pixels; it may be closed already" });
  }
  const context = new OffscreenCanvas(width, height).getContext("2d");
  if (context === null)
    throw new ImageError({ reason: "this browser gives no canvas to read from" });
  context.drawImage(frame, 0, 0);
  return context.getImageData(0, 0, width, height);
}
