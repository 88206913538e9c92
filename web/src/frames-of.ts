/** Frames of a video element. */

import { AbortedError, brief, InvalidOptionError, VideoError } from "./errors.js";
import { fetchWhole } from "./fetch-whole.js";
import { checkFrames, frameSize } from "./frame-size.js";

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
      /** Frames at most: where the rate would give more, as many are spread over the video. */
      readonly most?: number;
      readonly count?: never;
    }
);

/** A frame, and when it is. */
export interface TimedFrame {
  /** Its pixels. */
  readonly image: ImageData;
  /** Its place in the video, in seconds. */
  readonly seconds: number;
}

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
  return (await timedFramesOf(video, sampling)).map(({ image }) => image);
}

/** {@link framesOf}, with the time of each frame. */
export async function timedFramesOf(
  video: HTMLVideoElement,
  sampling: FrameSampling,
): Promise<TimedFrame[]> {
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
    // It would wait for someone to play it.
    if (video.preload === "none") video.preload = "metadata";
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

function checkSampling(sampling: FrameSampling): void {
  const { count, rate, longestSide } = sampling;
  const whole = { count, longestSide, most: "most" in sampling ? sampling.most : undefined };
  for (const [option, value] of Object.entries(whole)) {
    const isMissing = value === undefined && (option !== "count" || rate !== undefined);
    if (isMissing || (Number.isSafeInteger(value) && (value as number) > 0)) continue;
    throw new InvalidOptionError({
      reason: `${option} is ${value}, expected a whole number from 1 on`,
    });
  }
  if (rate !== undefined && !(rate > 0 && Number.isFinite(rate))) {
    throw new InvalidOptionError({
      reason: `rate is ${rate}, expected a number of frames a second above 0`,
    });
  }
  checkFrames(count ?? 1);
}

/** The frames, or nothing where one cannot seek in the video as it is. */
async function sample(
  video: HTMLVideoElement,
  sampling: FrameSampling,
): Promise<TimedFrame[] | undefined> {
  const { signal, longestSide } = sampling;
  const duration = await durationOf(video, signal);
  if (duration === undefined) return undefined;
  const end = await seek(video, Math.max(0, duration - SEEK_TOLERANCE / 2), signal);
  if (end === undefined) return undefined;
  const { shown = duration } = end;
  const times =
    duration - shown > LONGEST_PICTURE
      ? timesUntil(shown, sampling)
      : timesOf(duration, countFor(duration, sampling));
  const frames: TimedFrame[] = [];
  for (const seconds of times) {
    if ((await seek(video, seconds, signal)) === undefined) return undefined;
    frames.push({ image: frameOf(video, longestSide), seconds });
  }
  return frames;
}

/** Seconds that the last picture of a video may be on show before its pictures are taken to have ended. */
const LONGEST_PICTURE = 1;

function countFor(seconds: number, sampling: FrameSampling): number {
  if (sampling.rate === undefined) return sampling.count;
  const count = Math.max(1, Math.round(seconds * sampling.rate));
  const frames = Math.min(count, sampling.most ?? count);
  checkFrames(frames);
  return frames;
}

/** The middles of so many equal shares of a duration, in seconds. */
const timesOf = (duration: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => ((i + 0.5) * duration) / count);

/**
 * Times in a video whose sound goes on behind its last picture, which comes at `last` and is the
 * last of the frames. The others are spread over what is before.
 */
function timesUntil(last: number, sampling: FrameSampling): number[] {
  // One picture with sound has no other.
  if (last === 0) return [0];
  const count = countFor(last, sampling);
  return count === 1 ? [last / 2] : timesOf((last * count) / (count - 0.5), count);
}

/** Seconds by which a browser may round a time. */
const SEEK_TOLERANCE = 0.1;

/** Recorders write files whose duration is found only by going to the end. */
async function durationOf(
  video: HTMLVideoElement,
  signal?: AbortSignal,
): Promise<number | undefined> {
  if (video.duration === Number.POSITIVE_INFINITY) {
    const end = event(video, "seeked", signal);
    video.currentTime = Number.MAX_SAFE_INTEGER;
    await end;
  }
  return Number.isFinite(video.duration) ? video.duration : undefined;
}

/**
 * Goes to a time, and waits until its picture is the one that can be drawn: `shown` is when that
 * begins, where the browser tells. `undefined` where the video stays where it was, and would show the
 * same picture each time.
 */
async function seek(
  video: HTMLVideoElement,
  time: number,
  signal?: AbortSignal,
): Promise<{ readonly shown: number | undefined } | undefined> {
  const pictures = new ShownPictures(video);
  try {
    const arrived = event(video, "seeked", signal);
    video.currentTime = time;
    await arrived;
    if (Math.abs(video.currentTime - time) > SEEK_TOLERANCE) return undefined;
    return { shown: await pictures.settled(time) };
  } finally {
    pictures.stop();
  }
}

/** Milliseconds that a picture may take to be shown; of a page that is hidden, browsers show none. */
const [PATIENCE_MS, HIDDEN_PATIENCE_MS] = [2000, 200];

/** Milliseconds in which another picture may follow one that is not of the time that was sought. */
const SETTLING_MS = 500;

/** The pictures that a video shows. A browser says that it has arrived at one before it shows it. */
class ShownPictures {
  readonly #video: HTMLVideoElement;
  #callback = 0;
  /** When the one that was shown last begins. */
  #shown: number | undefined;
  #wake: () => void = () => {};

  constructor(video: HTMLVideoElement) {
    this.#video = video;
    this.#listen();
  }

  /** When the picture at a time begins, once it is shown; `undefined` where the browser does not tell. */
  async settled(time: number): Promise<number | undefined> {
    // Firefox before 132 tells of none.
    if (!("requestVideoFrameCallback" in this.#video)) return undefined;
    for (;;) {
      const shown = this.#shown;
      const ofTime =
        shown !== undefined && shown <= time + SEEK_TOLERANCE && time - shown <= LONGEST_PICTURE;
      if (ofTime) return shown;
      const patience = document.hidden ? HIDDEN_PATIENCE_MS : PATIENCE_MS;
      if (!(await this.#another(shown === undefined ? patience : SETTLING_MS))) return this.#shown;
    }
  }

  stop(): void {
    this.#video.cancelVideoFrameCallback?.(this.#callback);
  }

  #listen(): void {
    this.#callback = this.#video.requestVideoFrameCallback?.((_, { mediaTime }) => {
      this.#shown = mediaTime;
      this.#listen();
      this.#wake();
    });
  }

  /** Whether another picture is shown within some time. */
  #another(milliseconds: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}

/** The frames of a video of which only the whole can be had. */
async function sampleCopy(
  { currentSrc, src, crossOrigin }: HTMLVideoElement,
  sampling: FrameSampling,
): Promise<TimedFrame[]> {
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
      const reason = brief(video.error?.message || "its file cannot be read");
      reject(
        new VideoError({
          reason: `the video cannot be played (${reason}); save it anew, as MP4 or WebM`,
        }),
      );
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
