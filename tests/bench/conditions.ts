/** Under which conditions something was measured. */

import { cpus } from "node:os";
import { setTimeout } from "node:timers/promises";

/** How long is looked for other programs that compute. */
const LOOK_MS = 2000;

/** Of one measurement. */
export class Conditions {
  readonly #chromium: string;
  readonly #busy: number;

  private constructor(chromium: string, busy: number) {
    this.#chromium = chromium;
    this.#busy = busy;
  }

  /** Looks at the machine while nothing is measured yet. */
  static async look(chromium: string): Promise<Conditions> {
    const before = processorTimes();
    await setTimeout(LOOK_MS);
    const after = processorTimes();
    return new Conditions(chromium, 1 - (after.idle - before.idle) / (after.all - before.all));
  }

  /** A line for below a table. */
  told(what: string): string {
    const [processor] = cpus();
    const day = new Date().toISOString().slice(0, 10);
    return (
      `<small>${what}; ${cpus().length} × ${processor?.model.trim() ?? "unknown"}, ` +
      `${(100 * this.#busy).toFixed(0)}% busy with other things before; ` +
      `Chromium ${this.#chromium}, ${day}</small>`
    );
  }
}

/** Of all processors, since they were started. */
function processorTimes(): { readonly idle: number; readonly all: number } {
  const times = cpus().map(({ times }) => times);
  const idle = times.reduce((sum, { idle }) => sum + idle, 0);
  const all = times.flatMap((it) => Object.values(it)).reduce((sum, time) => sum + time, 0);
  return { idle, all };
}
