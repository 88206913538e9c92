/** The camera, seen frame by frame. */

import { describe, throwIfAborted, VideoError } from "../errors.js";
import { frameOf } from "../frames-of.js";

/** A camera whose picture a video element shows. */
export class Camera {
  readonly #video: HTMLVideoElement;
  readonly #stream: MediaStream;

  private constructor(video: HTMLVideoElement, stream: MediaStream) {
    this.#video = video;
    this.#stream = stream;
  }

  /**
   * Asks for the camera, the one that looks away from the user where there are two.
   *
   * @throws a {@link VideoError} where there is none or the user refuses it.
   */
  static async open(video: HTMLVideoElement, signal: AbortSignal): Promise<Camera> {
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (cause) {
      throw new VideoError(
        {
          reason: `the camera cannot be used (${describe(cause)}); allow it for this page, which must be served over https`,
        },
        { cause },
      );
    }
    const camera = new Camera(video, stream);
    try {
      throwIfAborted(signal);
      video.srcObject = stream;
      await video.play();
      throwIfAborted(signal);
    } catch (error) {
      camera.close();
      throw error;
    }
    return camera;
  }

  /**
   * What the camera sees now; waits for as long as the page cannot be seen.
   *
   * @throws a {@link VideoError} where the camera was taken away.
   */
  async frame(signal: AbortSignal): Promise<ImageData> {
    await pageVisible(signal);
    if (this.#stream.getVideoTracks().some(({ readyState }) => readyState === "ended")) {
      throw new VideoError({ reason: "the camera has stopped; connect it and start again" });
    }
    return frameOf(this.#video);
  }

  /** Lets go of the camera; its light goes out. */
  close(): void {
    for (const track of this.#stream.getTracks()) track.stop();
    this.#video.srcObject = null;
  }
}

async function pageVisible(signal: AbortSignal): Promise<void> {
  while (document.visibilityState === "hidden") {
    throwIfAborted(signal);
    await new Promise<void>((resolve) => {
      const over = new AbortController();
      const go = () => {
        over.abort();
        resolve();
      };
      document.addEventListener("visibilitychange", go, { signal: over.signal });
      signal.addEventListener("abort", go, { signal: over.signal });
    });
  }
  throwIfAborted(signal);
}
