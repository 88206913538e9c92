/** One thing at a time, in the order asked for: a model has one device. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when all before it have ended, however they ended. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
