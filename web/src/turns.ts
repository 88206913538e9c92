/** One thing at a time: a model has one device. */

/**
 * Lines of work, each in the order asked for, that take turns: whoever asks for much does not keep
 * the others waiting for more than one piece of it.
 */
export class Turns {
  /** What waits in each line, the line whose turn is next first. */
  readonly #lines = new Map<string, (() => Promise<void>)[]>();
  #busy = false;

  /** Runs `work` when it is its line's turn and all before it in the line have ended, however they ended. */
  take<T>(line: string, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = this.#lines.get(line) ?? [];
      waiting.push(() => work().then(resolve, reject));
      this.#lines.set(line, waiting);
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (const [line, waiting] of this.#lines) {
      await waiting.shift()?.();
      // Behind those who came meanwhile; the loop gets there too.
      this.#lines.delete(line);
      if (waiting.length > 0) this.#lines.set(line, waiting);
    }
    this.#busy = false;
  }
}
