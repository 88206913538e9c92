/** A talk about pictures, as the interfaces of others have it: turns of a user and answers. */

import type { ImageSource } from "../types.js";

/** What a user said, and did not get an answer to yet. */
export interface Question {
  /** Pictures, in their order; the text is about the last of them. */
  readonly images: readonly ImageSource[];
  /** May be empty. */
  readonly text: string;
}

/** A question with its answer. */
export interface Turn extends Question {
  readonly answer: string;
}

/** Nobody has said anything. */
export const SILENCE: Question = { images: [], text: "" };

/** What was said in two goes, as one. */
export function together(first: Question, second: Question): Question {
  const texts = [first.text, second.text].filter((text) => text !== "");
  return { images: [...first.images, ...second.images], text: texts.join("\n") };
}

/** Whether two talks went alike so far. */
export function sameTurns(a: readonly Turn[], b: readonly Turn[]): boolean {
  return a.length === b.length && a.every((turn, i) => sameTurn(turn, b[i]));
}

function sameTurn(a: Turn, b: Turn | undefined): boolean {
  return (
    a.text === b?.text &&
    a.answer === b.answer &&
    a.images.length === b.images.length &&
    a.images.every((image, i) => image === b.images[i])
  );
}
