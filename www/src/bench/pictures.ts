/** Pictures of noise. */

import type { PixelFrame } from "flamingo-web";

const SIDE = 256;

/** Pictures of noise, each another, so that nothing is known from an earlier one; every run has the same. */
export class Pictures {
  #state = 1;

  next(): PixelFrame {
    const words = new Uint32Array(SIDE * SIDE);
    for (let i = 0; i < words.length; i += 1) words[i] = this.#random();
    return { data: new Uint8Array(words.buffer), width: SIDE, height: SIDE };
  }

  /** Marsaglia's xorshift of 32 bits. */
  #random(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }
}
