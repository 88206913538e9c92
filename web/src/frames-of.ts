/** Frames of a video element. */

import { AbortedError, InvalidOptionError, VideoError } from "./errors.js";

/** Which frames are taken: evenly spread, each from the middle of its share of the video. */
export type FrameSampling = {
  /** Stops the sampling, which then rejects with an `AbortError`. */
  readonly signal?: AbortSignal;
} & (
  | {
      /** Number of frames. */
      readonly count: number;
      readonly rate?: never;
    }
  | {
      /** Frames a second; the paper trains on 1. There is at least one frame. */
      readonly rate: number;
      readonly count?: never;
    }
);

/**
 * Takes frames of a video by seeking in it; it stands still meanwhile, and goes on afterwards
 * where it was. A video of another origin must be loaded with `crossorigin`.
 *
 * ```ts
 * session.caption({ frames: await framesOf(video, { rate: 1 }) });
 * ```
 */
export async function framesOf(
  video: HTMLVideoElement,
  sampling: FrameSampling,
): Promise<ImageData[]> {
  const { signal } = sampling;
  if (signal?.aborted) throw new AbortedError({}, { cause: signal.reason });
  if (video.srcObject !== null) {
    throw new VideoError({ reason: "a live stream cannot be sought in; record it first" });
  }
  if (video.currentSrc === "" && video.src === "") {
    throw new VideoError({ reason: "the video element has no source" });
  }
  if (video.readyState < HTMLMediaElement.HAVE_METADATA) {
    await event(video, "loadedmetadata", signal);
  }
  const { paused, currentTime } = video;
  video.pause();
  try {
    const duration = await durationOf(video, signal);
    const frames: ImageData[] = [];
    for (const time of times(duration, sampling)) {
      await seek(video, time, signal);
      frames.push(frameOf(video));
    }
    return frames;
  } finally {
    video.currentTime = currentTime;
    // Where the browser does not let it play, it stays as it is.
    if (!paused) video.play().catch(() => {});
  }
}

function times(duration: number, { count, rate }: FrameSampling): number[] {
  const frames = rate === undefined ? count : Math.max(1, Math.round(duration * rate));
  if (!Number.isSafeInteger(frames) || frames < 1 || !(rate === undefined || rate > 0)) {
    throw new InvalidOptionError({
      reason:
        rate === undefined
          ? `count is ${count}, expected a whole number from 1 on`
          : `rate is ${rate}, expected a number of frames a second above 0`,
    });
  }
  return Array.from({ length: frames }, (_, i) => ((i + 0.5) * duration) / frames);
}

/** Recorders write files whose duration is found only by going to the end. */
async function durationOf(video: HTMLVideoElement, signal?: AbortSignal): Promise<number> {
  if (video.duration === Number.POSITIVE_INFINITY) {
    await seek(video, Number.MAX_SAFE_INTEGER, signal);
  }
  if (Number.isFinite(video.duration)) return video.duration;
  throw new VideoError({ reason: "the video has no end; record a stretch of it first" });
}

async function seek(video: HTMLVideoElement, time: number, signal?: AbortSignal): Promise<void> {
  const arrived = event(video, "seeked", signal);
  video.currentTime = time;
  await arrived;
}

/** The picture that a video shows now. */
export function frameOf(video: HTMLVideoElement): ImageData {
  const { videoWidth: width, videoHeight: height } = video;
  if (width === 0 || height === 0) throw new VideoError({ reason: "the video has no picture" });
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null)
    throw new VideoError({ reason: "this browser gives no canvas to read from" });
  context.drawImage(video, 0, 0);
  try {
    return context.getImageData(0, 0, width, height);
  } catch (cause) {
    const reason = "the video is of another origin; its server must allow it to be read (CORS)";
    throw new VideoError({ reason }, { cause });
  }
}

/** Waits for an event of the video, unless that fails or the caller stops first. */
function event(video: HTMLVideoElement, name: string, signal?: AbortSignal): Promise<void> {
  const over = new AbortController();
  const listening = { once: true, signal: over.signal };
  return new Promise<void>((resolve, reject) => {
    const fail = () => {
      const reason = video.error?.message || "its file cannot be read";
      reject(new VideoError({ reason: `the video cannot be played: ${reason}` }));
    };
    if (video.error !== null) fail();
    video.addEventListener(name, () => resolve(), listening);
    video.addEventListener("error", fail, listening);
    signal?.addEventListener(
      "abort",
      () => reject(new AbortedError({}, { cause: signal.reason })),
      listening,
    );
  }).finally(() => over.abort());
}
