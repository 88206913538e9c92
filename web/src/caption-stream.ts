/** A caption that is being written. */

import type { Caption, TokenPiece } from "./types.js";

/**
 * The tokens as they come (`for await`), and the whole at the end
 * ({@link result}). Leaving the loop early stops the writing.
 */
export class CaptionStream implements AsyncIterable<TokenPiece> {
  /** The finished caption; rejects where the iteration throws. */
  readonly result: Promise<Caption>;

  readonly #pieces: TokenPiece[] = [];
  readonly #leave = new AbortController();
  #ended = false;
  #wake: () => void = () => {};
  #change: Promise<void> = Promise.resolve();

  /** @internal `write` reports each token and resolves to the whole. */
  constructor(
    write: (onPiece: (piece: TokenPiece) => void, signal: AbortSignal) => Promise<Caption>,
    signal?: AbortSignal,
  ) {
    this.#expectChange();
    const signals = signal === undefined ? [] : [signal];
    this.result = write(
      (piece) => {
        this.#pieces.push(piece);
        this.#changed();
      },
      AbortSignal.any([this.#leave.signal, ...signals]),
    ).finally(() => {
      this.#ended = true;
      this.#changed();
    });
    // Whoever only iterates gets the error there.
    this.result.catch(() => {});
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TokenPiece, void, undefined> {
    let next = 0;
    try {
      for (;;) {
        const change = this.#change;
        for (const piece of this.#pieces.slice(next)) {
          next += 1;
          yield piece;
        }
        if (this.#ended && next === this.#pieces.length) break;
        await change;
      }
      await this.result;
    } finally {
      if (!this.#ended) this.#leave.abort();
    }
  }

  #changed(): void {
    this.#wake();
    this.#expectChange();
  }

  #expectChange(): void {
    this.#change = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
