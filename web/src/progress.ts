/** How far a download has come, and how long it still takes. */

/** Milliseconds over which the rate is taken: long enough to be steady, short enough to be true. */
const WINDOW_MS = 5000;

/** Milliseconds of receiving before there is a rate. */
const SETTLING_MS = 500;

/** Milliseconds between two reports: what an eye can follow. */
const REPORT_MS = 50;

/** What is told of a download. */
export interface ProgressReport {
  /** The shard that grew. */
  readonly file: string;
  /** Bytes that have arrived. */
  readonly loaded: number;
  /** Bytes in all. */
  readonly total: number;
  /** Milliseconds until the rest has arrived, once there is a rate. */
  readonly remainingMs: number | undefined;
}

/** Counts every byte, and tells of them at a pace that the page can follow. */
export class Progress {
  readonly #total: number;
  readonly #report: (report: ProgressReport) => void;
  readonly #now: () => number;
  /** Lengths of the shards that are kept and were not yet read: the network need not bring them. */
  readonly #kept: Map<string, number>;
  /** What the network had brought at each report in the window, oldest first. */
  #samples: { readonly time: number; readonly received: number }[] = [];
  #received = 0;
  #loaded = 0;
  #reported = Number.NEGATIVE_INFINITY;

  /** `kept` has the lengths of the shards that are expected from the cache, by file. */
  constructor(
    total: number,
    kept: ReadonlyMap<string, number>,
    report: (report: ProgressReport) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#total = total;
    this.#kept = new Map(kept);
    this.#report = report;
    this.#now = now;
  }

  /** Bytes of `file` came from where they are kept. */
  read(file: string, bytes: number): void {
    this.#count(file, bytes);
  }

  /** Bytes of `file` came from the network; negative where they count no more. */
  receive(file: string, bytes: number): void {
    this.#received += Math.max(bytes, 0);
    this.#count(file, bytes);
  }

  #count(file: string, bytes: number): void {
    this.#loaded += bytes;
    this.#kept.delete(file);
    const time = this.#now();
    if (time - this.#reported < REPORT_MS && this.#loaded !== this.#total) return;
    this.#reported = time;
    this.#samples = this.#samples.filter((sample) => time - sample.time <= WINDOW_MS);
    this.#samples.push({ time, received: this.#received });
    this.#report({
      file,
      loaded: this.#loaded,
      total: this.#total,
      remainingMs: this.#remainingMs(),
    });
  }

  #remainingMs(): number | undefined {
    let missing = this.#total - this.#loaded;
    for (const bytes of this.#kept.values()) missing -= bytes;
    if (missing <= 0) return 0;
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const elapsed = last.time - first.time;
    const received = last.received - first.received;
    return elapsed < SETTLING_MS || received <= 0 ? undefined : (missing * elapsed) / received;
  }
}
