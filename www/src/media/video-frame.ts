/** What a playing video shows at this moment. */

import { MediaError } from "../errors.js";

/** The picture in full size. */
export function frameOf(video: HTMLVideoElement): ImageData {
  return draw(video, video.videoWidth, video.videoHeight);
}

/** The picture squashed to a few pixels. */
export function thumbnailOf(video: HTMLVideoElement, width: number, height: number): ImageData {
  return draw(video, width, height);
}

function draw(video: HTMLVideoElement, width: number, height: number): ImageData {
  if (video.videoWidth === 0 || video.videoHeight === 0) {
    throw new MediaError("There is no picture yet. Wait until one is seen, then try again.");
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) {
    throw new MediaError("This browser gives no canvas to draw on. Try another one.");
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(video, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** The picture as a PNG file, in which no pixel is changed. */
export async function pngOf(frame: ImageData): Promise<Blob> {
  const canvas = new OffscreenCanvas(frame.width, frame.height);
  canvas.getContext("2d")?.putImageData(frame, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
