/** Frames of a video element. */

import { AbortedError, describe, InvalidOptionError, VideoError } from "./errors.js";
import { checkFrames, frameSize, LONGEST_SIDE } from "./frame-size.js";

/** Which frames are taken: evenly spread, each from the middle of its share of the video. */
export type FrameSampling = {
  /** Stops the sampling, which then rejects with an `AbortError`. */
  readonly signal?: AbortSignal;
  /** The longer side of a frame in pixels, at most: 640 by default, more than models see. */
  readonly longestSide?: number;
} & (
  | {
      /** Number of frames, 1 to 256. */
      readonly count: number;
      readonly rate?: never;
    }
  | {
      /** Frames a second; the paper trains on 1. There is at least one frame, and there are 256 at most. */
      readonly rate: number;
      readonly count?: never;
    }
);

/**
 * Takes frames of a video by seeking in it; it stands still meanwhile, and goes on afterwards
 * where it was. A video whose server gives no parts of it is fetched as a whole, of at most 256 MB.
 * One of another origin must be loaded with `crossorigin`.
 *
 * ```ts
 * session.caption({ frames: await framesOf(video, { rate: 1 }) });
 * ```
 */
export async function framesOf(
  video: HTMLVideoElement,
  sampling: FrameSampling,
): Promise<ImageData[]> {
  checkSampling(sampling);
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
    return (await sample(video, sampling)) ?? (await sampleCopy(video, sampling));
  } finally {
    video.currentTime = currentTime;
    // Where the browser does not let it play, it stays as it is.
    if (!paused) video.play().catch(() => {});
  }
}

function checkSampling({ count, rate, longestSide = LONGEST_SIDE }: FrameSampling): void {
  const refuse = (reason: string) => {
    throw new InvalidOptionError({ reason });
  };
  const isWhole = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
  if (!isWhole(longestSide)) {
    refuse(`longestSide is ${longestSide}, expected a whole number of pixels from 1 on`);
  }
  if (rate !== undefined && !(rate > 0 && Number.isFinite(rate))) {
    refuse(`rate is ${rate}, expected a number of frames a second above 0`);
  }
  if (rate === undefined && !isWhole(count)) {
    refuse(`count is ${count}, expected a whole number from 1 on`);
  }
  if (rate === undefined) checkFrames(count);
}

/** The frames, or nothing where one cannot seek in the video as it is. */
async function sample(
  video: HTMLVideoElement,
  sampling: FrameSampling,
): Promise<ImageData[] | undefined> {
  const { signal, longestSide } = sampling;
  const duration = await durationOf(video, signal);
  if (duration === undefined) return undefined;
  const frames: ImageData[] = [];
  for (const time of times(duration, sampling)) {
    await seek(video, time, signal);
    // It stays where it was, and would show the same picture each time.
    if (Math.abs(video.currentTime - time) > SEEK_TOLERANCE) return undefined;
    frames.push(frameOf(video, longestSide));
  }
  return frames;
}

/** Seconds by which a browser may round a time. */
const SEEK_TOLERANCE = 0.1;

function times(duration: number, { count, rate }: FrameSampling): number[] {
  const frames = rate === undefined ? count : Math.max(1, Math.round(duration * rate));
  checkFrames(frames);
  return Array.from({ length: frames }, (_, i) => ((i + 0.5) * duration) / frames);
}

/** Recorders write files whose duration is found only by going to the end. */
async function durationOf(
  video: HTMLVideoElement,
  signal?: AbortSignal,
): Promise<number | undefined> {
  if (video.duration === Number.POSITIVE_INFINITY) {
    await seek(video, Number.MAX_SAFE_INTEGER, signal);
  }
  return Number.isFinite(video.duration) ? video.duration : undefined;
}

async function seek(video: HTMLVideoElement, time: number, signal?: AbortSignal): Promise<void> {
  const arrived = event(video, "seeked", signal);
  video.currentTime = time;
  await arrived;
}

/** Longest video that is fetched as a whole, in bytes. */
const MAX_COPY_BYTES = 256_000_000;

/** The frames of a video of which only the whole can be had. */
async function sampleCopy(
  { currentSrc, src, crossOrigin }: HTMLVideoElement,
  sampling: FrameSampling,
): Promise<ImageData[]> {
  const credentials = crossOrigin === "use-credentials" ? "include" : "same-origin";
  const copy = await fetchWhole(currentSrc || src, credentials, sampling.signal);
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  video.src = URL.createObjectURL(copy);
  try {
    await event(video, "loadedmetadata", sampling.signal);
    const frames = await sample(video, sampling);
    if (frames !== undefined) return frames;
    throw new VideoError({
      reason: "one cannot seek in the video, which has no end or is damaged; record it anew",
    });
  } finally {
    URL.revokeObjectURL(video.src);
    video.removeAttribute("src");
  }
}

async function fetchWhole(
  url: string,
  credentials: RequestCredentials,
  signal?: AbortSignal,
): Promise<Blob> {
  const stuck = "one cannot seek in the video: its server gives no parts of it (HTTP ranges)";
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    const response = await fetch(url, { credentials, ...(signal && { signal }) });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const reader = response.body?.getReader();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done || value === undefined) return new Blob(parts);
      parts.push(value);
      length += value.length;
      if (length > MAX_COPY_BYTES) {
        await reader?.cancel();
        break;
      }
    }
  } catch (cause) {
    if (signal?.aborted) throw new AbortedError({}, { cause: signal.reason });
    const reason = `${stuck}, nor can the whole be fetched (${describe(cause)}); choose its file from the disk`;
    throw new VideoError({ reason }, { cause });
  }
  const reason = `${stuck}, and it is larger than ${MAX_COPY_BYTES / 1e6} MB; choose its file from the disk`;
  throw new VideoError({ reason });
}

/** The picture that a video shows now, its longer side scaled down to `longestSide`. */
export function frameOf(video: HTMLVideoElement, longestSide?: number): ImageData {
  if (video.videoWidth === 0 || video.videoHeight === 0) {
    throw new VideoError({ reason: "the video has no picture" });
  }
  const { width, height } = frameSize(video.videoWidth, video.videoHeight, longestSide);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null)
    throw new VideoError({ reason: "this browser gives no canvas to read from" });
  context.imageSmoothingQuality = "high";
  context.drawImage(video, 0, 0, width, height);
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
