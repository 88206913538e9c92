/** A text that is written twice and told once. */

import type { TokenPiece } from "./types.js";

/**
 * Tells each token once. Where a text has to be written again from its beginning, the tokens that
 * were told are only compared: the same prompt, options and seed choose the same ones.
 */
export class Replay {
  readonly #tell: (piece: TokenPiece) => void;
  readonly #told: number[] = [];
  readonly #diverged = new AbortController();

  constructor(tell: (piece: TokenPiece) => void) {
    this.#tell = tell;
  }

  /** Fires when a text does not begin as the one that was told. */
  get diverged(): AbortSignal {
    return this.#diverged.signal;
  }

  /** Hears one writing of the text. */
  listen(): (piece: TokenPiece) => void {
    let next = 0;
    return (piece) => {
      const known = this.#told[next];
      next += 1;
      if (known === piece.id || this.#diverged.signal.aborted) return;
      if (known === undefined) {
        this.#told.push(piece.id);
        this.#tell(piece);
      } else this.#diverged.abort();
    };
  }
}
