/** A caption that is being written in a component. */

import { useEffect, useState } from "react";
import type { FlamingoError } from "../errors.js";
import type { SessionOptions } from "../session.js";
import type { Caption, GenerateOptions, MediaSource } from "../types.js";
import { useSame } from "./same.js";
import { type SessionMaker, useSession } from "./session.js";

/** What a caption is like. */
export interface UseCaptionOptions extends SessionOptions, GenerateOptions {
  /** A question to answer; the task must have a place for it. None by default. */
  readonly question?: string;
}

/** A caption. */
export interface CaptionState {
  /** `idle` until there are model and picture. */
  readonly status: "idle" | "writing" | "done" | "failed";
  /** What has been written so far. */
  readonly text: string;
  /** The whole once it is `done`. */
  readonly caption: Caption | undefined;
  /** Why it `failed`. */
  readonly error: FlamingoError | undefined;
}

/** What is known of one caption, and which it is. */
interface Written extends Partial<CaptionState> {
  readonly of: object;
}

/**
 * Writes a caption for an image or a clip, or answers a question about it. Another picture, question
 * or option ends the one that is being written, and so does the component's end.
 */
export function useCaption(
  model: SessionMaker | undefined,
  image: MediaSource | null | undefined,
  { shots, task, question, ...generate }: UseCaptionOptions = {},
): CaptionState {
  const session = useSession(model, shots, task);
  const { about, ref } = session;
  const job = useSame({ model, about, image: image ?? undefined, question, generate });
  const [written, setWritten] = useState<Written>();

  useEffect(() => {
    const { image, question, generate } = job;
    const session = ref.current;
    if (session === undefined || image === undefined) return;
    const stop = new AbortController();
    const tell = (change: Partial<CaptionState>) => {
      if (!stop.signal.aborted) setWritten({ ...change, of: job });
    };
    const write = async () => {
      const options = { ...generate, signal: stop.signal };
      const stream =
        question === undefined
          ? session.caption(image, options)
          : session.ask(image, question, options);
      let text = "";
      for await (const piece of stream) {
        text = (text + piece.text).trimStart();
        tell({ status: "writing", text });
      }
      const caption = await stream.result;
      tell({ status: "done", text: caption.text, caption });
    };
    write().catch((error: FlamingoError) => tell({ status: "failed", error }));
    return () => stop.abort();
  }, [job, ref]);

  const asked = model !== undefined && job.image !== undefined;
  const known: Partial<CaptionState> = asked && written?.of === job ? written : {};
  const { status = asked ? "writing" : "idle", text = "", caption, error } = known;
  return { status, text, caption, error };
}
