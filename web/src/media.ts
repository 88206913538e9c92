/** Images and clips on their way to the Worker. */

import { describe, ImageError } from "./errors.js";
import { checkFrames, frameSize, scaleDown } from "./frame-size.js";
import type { ImageSource, MediaSource, PixelFrame } from "./types.js";

/** An image as it crosses: the bytes of its file, or of its pixels. */
export type WireImage =
  | { readonly file: ArrayBuffer }
  | { readonly rgba: ArrayBuffer; readonly width: number; readonly height: number };

/** An image, or the frames of a clip. */
export type WireMedia = WireImage | { readonly frames: readonly WireImage[] };

/** Longest file of a picture, in bytes: the pixels of the largest one, as no format stores them. */
const MAX_FILE_BYTES = 400_000_000;

/**
 * Takes an image apart into buffers of its own, so that what the caller does with its own afterwards
 * changes nothing. Pixels are copied before it returns: a frame may be closed at once.
 */
export async function imageToWire(source: ImageSource): Promise<WireImage> {
  return toWire(source);
}

/** {@link imageToWire}, of a clip too, whose frames of pixels cross no larger than is of use. */
export async function mediaToWire(source: MediaSource): Promise<WireMedia> {
  if (!("frames" in source)) return toWire(source);
  checkFrames(source.frames.length);
  return { frames: await Promise.all(source.frames.map((frame) => toWire(frame, scaleDown))) };
}

const asItIs = (frame: PixelFrame): PixelFrame => frame;

function toWire(
  source: ImageSource,
  scaled: (frame: PixelFrame) => PixelFrame = asItIs,
): WireImage | Promise<WireImage> {
  if (source instanceof Blob) return fileOf(source);
  if (source instanceof ArrayBuffer) return { file: source.slice(0) };
  if (source instanceof Uint8Array) return { file: copyOf(source) };
  const frame = "data" in source ? checked(source) : pixelsOf(source, scaled !== asItIs);
  const { data, width, height } = scaled(frame);
  return { rgba: copyOf(data), width, height };
}

async function fileOf(blob: Blob): Promise<WireImage> {
  if (blob.size > MAX_FILE_BYTES) {
    const megabytes = Math.round(blob.size / 1e6);
    throw new ImageError({
      reason: `the file has ${megabytes} MB, more than any picture that is read here; choose a picture`,
    });
  }
  try {
    return { file: await blob.arrayBuffer() };
  } catch (cause) {
    const reason = `the file can no longer be read (${describe(cause)}); choose it anew`;
    throw new ImageError({ reason }, { cause });
  }
}

function copyOf(bytes: Uint8Array | Uint8ClampedArray): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/** Numbers that no module could hold would reach it as others. */
function checked(frame: PixelFrame): PixelFrame {
  const { data, width, height } = frame;
  const bytes = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  const whole = [width, height].every((side) => Number.isSafeInteger(side) && side > 0);
  if (bytes && whole && data.length === 4 * width * height) return frame;
  throw new ImageError({
    reason: `pixels are 4 bytes each, red, green, blue and alpha, and those given are not ${width}×${height} of them`,
  });
}

/** A canvas turns whatever colours the decoder left into RGBA. */
function pixelsOf(frame: VideoFrame, small: boolean): ImageData {
  const { displayWidth, displayHeight } = frame;
  if (!(displayWidth > 0 && displayHeight > 0)) {
    throw new ImageError({ reason: "the video frame has no pixels; it may be closed already" });
  }
  const { width, height } = small
    ? frameSize(displayWidth, displayHeight)
    : { width: displayWidth, height: displayHeight };
  const context = new OffscreenCanvas(width, height).getContext("2d");
  if (context === null)
    throw new ImageError({ reason: "this browser gives no canvas to read from" });
  context.imageSmoothingQuality = "high";
  context.drawImage(frame, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}
