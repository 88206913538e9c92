/** A text that is being written: its tokens as they come, and what became of it. */

import {
  type Caption,
  type CaptionStream,
  DisposedError,
  type Flamingo,
  type TokenPiece,
} from "flamingo-web";
import { type Fault, faultOf } from "../errors.js";

export type Writing =
  | { readonly phase: "none" }
  | { readonly phase: "writing"; readonly pieces: readonly TokenPiece[] }
  | {
      readonly phase: "done";
      readonly pieces: readonly TokenPiece[];
      readonly caption: Caption;
      /** Of the WebAssembly heap, after this text. */
      readonly heapBytes: number;
    }
  /** Stopped by the user, or by a change of the model; what was written so far stays. */
  | { readonly phase: "stopped"; readonly pieces: readonly TokenPiece[] }
  | { readonly phase: "failed"; readonly error: Fault };

/** What was written so far. */
export function textOf(writing: Writing): string {
  if (writing.phase === "done") return writing.caption.text;
  return "pieces" in writing ? writing.pieces.map(({ text }) => text).join("") : "";
}

export class TextWriter {
  #writing: Writing = { phase: "none" };
  #run = new AbortController();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get writing(): Writing {
    return this.#writing;
  }

  /** Writes what `start` begins, in place of what was written before. Failures are part of {@link writing}. */
  async write(
    model: Flamingo,
    start: (signal: AbortSignal) => Promise<CaptionStream>,
  ): Promise<void> {
    this.#run.abort();
    this.#run = new AbortController();
    const { signal } = this.#run;
    const pieces: TokenPiece[] = [];
    const update = (writing: Writing) => {
      if (!signal.aborted) this.#update(writing);
    };
    update({ phase: "writing", pieces: [] });
    try {
      const stream = await start(signal);
      for await (const piece of stream) {
        pieces.push(piece);
        update({ phase: "writing", pieces: [...pieces] });
      }
      const caption = await stream.result;
      const { heapBytes } = await model.memory();
      update({ phase: "done", pieces, caption, heapBytes });
    } catch (error) {
      // The user took another device or model: nothing failed.
      if (error instanceof DisposedError) update({ phase: "stopped", pieces });
      else update({ phase: "failed", error: faultOf(error) });
    }
  }

  stop(): void {
    this.#run.abort();
    const writing = this.#writing;
    if (writing.phase === "writing") this.#update({ phase: "stopped", pieces: writing.pieces });
  }

  /** Forgets the text, and stops it where it is not whole. */
  clear(): void {
    this.#run.abort();
    this.#update({ phase: "none" });
  }

  #update(writing: Writing): void {
    this.#writing = writing;
    this.#onChange();
  }
}
