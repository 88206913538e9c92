/** Captions of what a video shows, one frame at a time. */

import { type RefObject, useEffect, useState } from "react";
import { type FlamingoError, throwIfAborted } from "../errors.js";
import { frameOf } from "../frames-of.js";
import type { Caption } from "../types.js";
import type { UseCaptionOptions } from "./caption.js";
import { useSame } from "./same.js";
import { type SessionMaker, useSession } from "./session.js";

/** A `<video>`, or the reference that React keeps of one. */
export type VideoTarget = HTMLVideoElement | RefObject<HTMLVideoElement | null>;

/** What the captions are like. */
export interface UseLiveCaptionOptions extends UseCaptionOptions {
  /** False waits. True by default. */
  readonly enabled?: boolean;
}

/** Captions, one after the other. */
export interface LiveCaptionState {
  /** `idle` until there are model and video, and where it is not enabled. */
  readonly status: "idle" | "live" | "failed";
  /** The last text: the one that is being written, once it has begun. */
  readonly text: string;
  /** The last whole caption. */
  readonly caption: Caption | undefined;
  /** Number of whole captions so far. */
  readonly count: number;
  /** Why it `failed`, which ends it. */
  readonly error: FlamingoError | undefined;
}

/** What is known, and of which run of captions. */
interface Known {
  readonly of: object;
  readonly text: string;
  readonly caption: Caption | undefined;
  readonly count: number;
  readonly error: FlamingoError | undefined;
}

/**
 * Writes a caption for what a video shows, and then for what it shows by then, while it plays and is
 * seen. The camera, or a file, is the page's own. A frame that came meanwhile is skipped.
 */
export function useLiveCaption(
  model: SessionMaker | undefined,
  video: VideoTarget | null | undefined,
  { enabled = true, shots, task, question, ...generate }: UseLiveCaptionOptions = {},
): LiveCaptionState {
  const session = useSession(model, shots, task);
  const { about, ref } = session;
  const job = useSame({ model, about, video, enabled, question, generate });
  const [known, setKnown] = useState<Known>();

  useEffect(() => {
    const { video, enabled, question, generate } = job;
    const session = ref.current;
    const element = video && "current" in video ? video.current : video;
    if (session === undefined || !enabled || !element) return;
    const stop = new AbortController();
    const { signal } = stop;
    const tell = (change: (before: Known) => Partial<Known>) => {
      if (signal.aborted) return;
      setKnown((known) => {
        const before = known?.of === job ? known : { ...NOTHING, of: job };
        return { ...before, ...change(before) };
      });
    };
    const write = async () => {
      for (;;) {
        await nextFrame(element, signal);
        const options = { ...generate, signal };
        const frame = frameOf(element);
        const stream =
          question === undefined
            ? session.caption(frame, options)
            : session.ask(frame, question, options);
        let text = "";
        for await (const piece of stream) {
          text = (text + piece.text).trimStart();
          const now = text;
          // What is read stays until there is something else to read.
          if (now !== "") tell(() => ({ text: now }));
        }
        const caption = await stream.result;
        tell(({ count }) => ({ text: caption.text, caption, count: count + 1 }));
      }
    };
    write().catch((error: FlamingoError) => tell(() => ({ error })));
    return () => stop.abort();
  }, [job, ref]);

  const live = model !== undefined && enabled && video !== null && video !== undefined;
  const { text, caption, count, error } = known?.of === job ? known : NOTHING;
  const status = error !== undefined ? "failed" : live ? "live" : "idle";
  return { status, text, caption, count, error };
}

const NOTHING = { text: "", caption: undefined, count: 0, error: undefined } as const;

/** Milliseconds between two looks at a video of a browser that does not tell of its frames. */
const LOOK_AGAIN = 100;

/** Waits until a video shows a frame; one that stands still or that nobody sees shows none. */
async function nextFrame(video: HTMLVideoElement, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve) => {
    const forget = "requestVideoFrameCallback" in video ? watch(video, done) : look(video, done);
    function done() {
      signal.removeEventListener("abort", done);
      forget();
      resolve();
    }
    signal.addEventListener("abort", done);
  });
  throwIfAborted(signal);
}

/** Calls `shown` with the next frame. Returns what takes that back. */
function watch(video: HTMLVideoElement, shown: () => void): () => void {
  const callback = video.requestVideoFrameCallback(shown);
  return () => video.cancelVideoFrameCallback(callback);
}

/** {@link watch}, for a browser that does not tell of frames. */
function look(video: HTMLVideoElement, shown: () => void): () => void {
  const timer = setInterval(() => {
    const ready = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    if (ready && !video.paused && !document.hidden) shown();
  }, LOOK_AGAIN);
  return () => clearInterval(timer);
}
