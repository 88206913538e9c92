/** How many captions a minute there really are, and how much of the time they take. */

/** Milliseconds over which is counted: long enough for a few captions on a slow machine. */
const WINDOW_MS = 60_000;

export class RateMeter {
  readonly #startMs: number;
  #captions: { readonly from: number; readonly to: number }[] = [];

  /** `startMs` is when the first caption could have begun. */
  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  /** A caption was written from one time to another, both in milliseconds. */
  add(from: number, to: number): void {
    this.#captions.push({ from, to });
  }

  /** Captions a minute over the last minute, or over the time since the start. */
  perMinute(now: number): number {
    const elapsed = this.#elapsed(now);
    return elapsed === 0 ? 0 : (this.#recent(now).length * 60_000) / elapsed;
  }

  /** Share of the same time in which a caption was being written, 0 to 1. */
  share(now: number): number {
    const elapsed = this.#elapsed(now);
    const busy = this.#recent(now).reduce(
      (sum, { from, to }) => sum + to - Math.max(from, now - elapsed),
      0,
    );
    return elapsed === 0 ? 0 : busy / elapsed;
  }

  #elapsed(now: number): number {
    return Math.min(WINDOW_MS, now - this.#startMs);
  }

  #recent(now: number) {
    this.#captions = this.#captions.filter(({ to }) => to > now - WINDOW_MS);
    return this.#captions;
  }
}
