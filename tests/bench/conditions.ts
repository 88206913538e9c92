/** Under which conditions something was measured. */

import { cpus, loadavg } from "node:os";

/** Counts from when it was made. */
export class Conditions {
  readonly #chromium: string;
  readonly #load = running();

  constructor(chromium: string) {
    this.#chromium = chromium;
  }

  /** A line for below a table. Programs that wait or run over the last minute show how busy the machine was before. */
  told(what: string): string {
    const [processor] = cpus();
    const day = new Date().toISOString().slice(0, 10);
    return (
      `<small>${what}; ${cpus().length} × ${processor?.model.trim() ?? "unknown"}, ` +
      `Chromium ${this.#chromium}, ${day}; load average ${this.#load} before, ${running()} after</small>`
    );
  }
}

const running = (): string => (loadavg()[0] ?? 0).toFixed(1);
