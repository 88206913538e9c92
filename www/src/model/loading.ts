/** How far a model has come, and that in words. */

import type { Flamingo } from "flamingo-web";
import type { Fault } from "../errors.js";
import { megabytes, timeLeft } from "../format.js";

/** Something that is done step by step, or byte by byte. */
export interface Amount {
  readonly done: number;
  readonly total: number;
}

/** How far the model has come. */
export type Loading =
  | { readonly phase: "starting" }
  | {
      readonly phase: "downloading";
      /** Bytes. */
      readonly amount: Amount;
      /** Milliseconds until the rest is there, once that is known. */
      readonly remainingMs: number | undefined;
    }
  /** The GPU compiles what the model needs. It does so during the download too, which then is what is waited for. */
  | { readonly phase: "compiling"; readonly amount: Amount }
  | { readonly phase: "building" }
  | { readonly phase: "ready"; readonly model: Flamingo }
  | { readonly phase: "failed"; readonly error: Fault };

/** What is told of a loading on the way. Download and compilation go on side by side. */
export interface Told {
  readonly downloaded?: Amount;
  readonly remainingMs?: number | undefined;
  readonly compiled?: Amount;
}

/** What is waited for. */
export function awaited({ downloaded, remainingMs, compiled }: Told): Loading {
  if (downloaded === undefined) return { phase: "starting" };
  if (!isWhole(downloaded)) return { phase: "downloading", amount: downloaded, remainingMs };
  if (compiled !== undefined && !isWhole(compiled)) return { phase: "compiling", amount: compiled };
  return { phase: "building" };
}

const isWhole = ({ done, total }: Amount) => done >= total;

/** A line about a loading that did not fail. */
export interface LoadingLine {
  readonly words: string;
  /** What the words are about, where they are understood without it; empty where not. */
  readonly object: string;
  /** How much of it there is; empty where nothing is counted. */
  readonly figures: string;
  /** How long it still takes; empty where nobody knows. */
  readonly left: string;
  /** What of it is done; undefined where nothing is counted. */
  readonly amount: Amount | undefined;
}

/** The line that people read. */
export function loadingLine(loading: Exclude<Loading, { phase: "failed" }>): LoadingLine {
  const line = (words: string) => ({ words, object: "", figures: "", left: "", amount: undefined });
  switch (loading.phase) {
    case "starting":
      return line("Looking for the model …");
    case "downloading": {
      const { amount, remainingMs } = loading;
      return {
        words: "Downloading",
        object: "the model",
        figures: `${megabytes(amount.done)} of ${megabytes(amount.total)}`,
        left: remainingMs === undefined ? "" : timeLeft(remainingMs),
        amount,
      };
    }
    case "compiling": {
      const { amount } = loading;
      return {
        words: "Preparing the GPU",
        object: "",
        figures: `${amount.done} of ${amount.total} steps`,
        left: "",
        amount,
      };
    }
    case "building":
      return line("Making the model ready …");
    case "ready":
      return line("The model is ready.");
  }
}
