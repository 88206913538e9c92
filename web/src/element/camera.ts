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
    const devices: MediaDevices | undefined = navigator.mediaDevices;
    if (devices === undefined) {
      const reason = "browsers give a camera only to pages served over https or from localhost";
      throw new VideoError({ reason });
    }
    let stream: MediaStream;
    try {
      stream = await devices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (cause) {
      const reason = `the camera cannot be used (${describe(cause)}); ${remedyOf(cause)}`;
      throw new VideoError({ reason }, { cause });
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

/** The policy of the document, by either of its names; not every browser tells it. */
interface PolicyDocument {
  readonly permissionsPolicy?: { allowsFeature(name: string): boolean };
  readonly featurePolicy?: { allowsFeature(name: string): boolean };
}

/** The remedy if the camera cannot be used. */
function remedyOf(cause: unknown): string {
  const { name } = cause instanceof Error ? cause : { name: "" };
  if (name === "NotFoundError") return "connect one, and start again";
  if (name !== "NotAllowedError" && name !== "SecurityError") {
    return "close it in other programs, and start again";
  }
  const { permissionsPolicy, featurePolicy } = document as PolicyDocument;
  const allowed = (permissionsPolicy ?? featurePolicy)?.allowsFeature("camera");
  const framed = window.parent !== window;
  const toFrame = 'give the <iframe> that shows this page the attribute allow="camera"';
  if (allowed === false) {
    return framed ? toFrame : "have the page's Permissions-Policy header allow it";
  }
  const toPage = "allow it for this page in the browser's settings";
  // A browser that does not tell its policy refuses either with the same words.
  return framed && allowed === undefined ? `${toPage}, and ${toFrame}` : toPage;
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
