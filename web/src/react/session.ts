/** A session that lives as long as a component asks for it. */

import { type RefObject, useEffect, useRef } from "react";
import type { Session, SessionOptions } from "../session.js";
import { useSame } from "./same.js";

/** What sessions are made by: a {@link Flamingo}. */
export interface SessionMaker {
  session(options: SessionOptions): Session;
}

/** A session for the effects that follow in the same component, and what it depends on. */
export interface LentSession {
  /** Set whenever there is a model. */
  readonly ref: RefObject<Session | undefined>;
  /** Another object if the session is another one. */
  readonly about: SessionOptions;
}

/**
 * Keeps a session while `model`, `shots` and `task` are the same. Effects run in the order in which
 * they are written, so that an effect behind this one, with `model` and `about` among its
 * dependencies, finds the session that belongs to them.
 */
export function useSession(
  model: SessionMaker | undefined,
  shots: SessionOptions["shots"],
  task: SessionOptions["task"],
): LentSession {
  const ref = useRef<Session>(undefined);
  const about = useSame<SessionOptions>({
    ...(shots !== undefined && { shots }),
    ...(task !== undefined && { task }),
  });
  useEffect(() => {
    if (model === undefined) return;
    const session = model.session(about);
    ref.current = session;
    return () => {
      ref.current = undefined;
      session.dispose();
    };
  }, [model, about]);
  return { ref, about };
}
