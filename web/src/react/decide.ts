/** A value of a JSON schema that is decided in a component. */

import { useEffect, useState } from "react";
import type { FlamingoError } from "../errors.js";
import type { DecideOptions, SessionOptions } from "../session.js";
import type { Decision, JsonSchema, MediaSource } from "../types.js";
import { useSame } from "./same.js";
import { type SessionMaker, useSession } from "./session.js";

/** How a value is decided. */
export interface UseDecideOptions extends SessionOptions, Omit<DecideOptions, "signal"> {}

/** A decision. */
export interface DecisionState<T> {
  /** `idle` until there are model and picture. */
  readonly status: "idle" | "deciding" | "done" | "failed";
  /** The value once it is `done`. */
  readonly value: T | undefined;
  /** How sure it is, 0 to 1. */
  readonly probability: number | undefined;
  /** Its parts, each with its probability. */
  readonly leaves: Decision["leaves"];
  /** Why it `failed`. */
  readonly error: FlamingoError | undefined;
}

/** What is known of one decision, and which it is. */
interface Known {
  readonly of: object;
  readonly decided?: Decision;
  readonly error?: FlamingoError;
}

/**
 * Decides a value of a JSON schema about an image or a clip. The schema and what is returned may have
 * a type of yours, `T`. Another picture, schema or option ends the decision, and so does the component's
 * end.
 */
export function useDecide<T = unknown>(
  model: SessionMaker | undefined,
  image: MediaSource | null | undefined,
  schema: JsonSchema,
  { shots, task, ...settings }: UseDecideOptions = {},
): DecisionState<T> {
  const session = useSession(model, shots, task);
  const { about, ref } = session;
  const job = useSame({ model, about, image: image ?? undefined, schema, settings });
  const [known, setKnown] = useState<Known>();

  useEffect(() => {
    const { image, schema, settings } = job;
    const session = ref.current;
    if (session === undefined || image === undefined) return;
    const stop = new AbortController();
    const tell = (found: Omit<Known, "of">) => {
      if (!stop.signal.aborted) setKnown({ ...found, of: job });
    };
    const decide = async () => {
      const options = { ...settings, signal: stop.signal };
      tell({ decided: await session.decide(image, schema, options) });
    };
    decide().catch((error: FlamingoError) => tell({ error }));
    return () => stop.abort();
  }, [job, ref]);

  if (model === undefined || job.image === undefined) return { ...NOTHING, status: "idle" };
  const { decided, error } = known?.of === job ? known : {};
  if (error !== undefined) return { ...NOTHING, status: "failed", error };
  if (decided === undefined) return { ...NOTHING, status: "deciding" };
  const { value, probability, leaves } = decided;
  return { status: "done", value: value as T, probability, leaves, error: undefined };
}

const NOTHING = {
  value: undefined,
  probability: undefined,
  leaves: [],
  error: undefined,
} as const;
