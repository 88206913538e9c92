/** What the adapters ask of a session that decides values of JSON schemas. */

import { InvalidOptionError } from "./errors.js";
import type { MediaSource, ScoringOptions } from "./types.js";

/** A JSON schema. */
export type Schema = Readonly<Record<string, unknown>>;

/** A part of a decided value. */
export interface DecidedLeaf {
  /** JSON pointer into the value; of a list it is about its length. */
  readonly path: string;
  /** The part's value, or the list's length. */
  readonly value: string | number | boolean | null;
  /** 0 to 1. */
  readonly probability: number;
}

/** A value of a JSON schema, and how sure it is. */
export interface Decided {
  /** The value, valid by the schema. */
  readonly value: unknown;
  /** The product of the probabilities of its leaves. */
  readonly probability: number;
  /** Its parts that are neither lists nor objects. */
  readonly leaves: readonly DecidedLeaf[];
}

/** How a value is decided. */
export interface DecideSettings extends ScoringOptions {
  /** Most tokens of a text or number that is written. 40 by default. */
  readonly maxNewTokens?: number;
  /** Text before the question of each part; none by default. */
  readonly question?: string;
  /** Rejects with an `AbortError`. */
  readonly signal?: AbortSignal;
}

/** A session that decides. */
export interface DecidingSession {
  decide(image: MediaSource | null, schema: Schema, options?: DecideSettings): Promise<Decided>;
}

/** Whether a session decides values of schemas. */
export function decides(session: object): session is DecidingSession {
  return "decide" in session && typeof session.decide === "function";
}

/**
 * Takes a session for one that decides.
 *
 * @throws an {@link InvalidOptionError} where it does not.
 */
export function deciding(session: object): DecidingSession {
  if (decides(session)) return session;
  throw new InvalidOptionError({
    reason: "this version of flamingo-web decides no values of schemas; take a newer one",
  });
}
