/** Frames of cameras and videos as files, like every other picture. */

import { MediaError } from "../errors.js";

/** The longer side of a kept frame, in pixels: more than any vision encoder sees. */
const LONGEST_SIDE = 640;

/** A frame as a JPEG file, scaled down to what is worth keeping. */
export async function encodeFrame(
  frame: ImageData | HTMLVideoElement,
  longestSide: number = LONGEST_SIDE,
): Promise<Blob> {
  const isVideo = frame instanceof HTMLVideoElement;
  const width = isVideo ? frame.videoWidth : frame.width;
  const height = isVideo ? frame.videoHeight : frame.height;
  if (width === 0 || height === 0) {
    throw new MediaError("There is no picture yet. Wait until one is seen, then try again.");
  }
  const scale = Math.min(1, longestSide / Math.max(width, height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  const context = canvas.getContext("2d");
  if (context === null) {
    throw new MediaError("This browser gives no canvas to draw on. Take a picture file instead.");
  }
  const image = isVideo ? frame : await createImageBitmap(frame);
  // A JPEG file has no transparency, and what is not drawn in it is black.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
}
