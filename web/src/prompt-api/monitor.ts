/** Progress of a download, as the Prompt API tells it. */

import type { CreateMonitor } from "./options.js";

/** Tells a monitor of a download: first 0, last 1, and rising in between. */
export class DownloadMonitor {
  readonly #target: EventTarget | undefined;
  #loaded = -1;

  constructor(monitor: ((monitor: CreateMonitor) => void) | undefined) {
    if (monitor === undefined) return;
    this.#target = new EventTarget();
    handleBy(this.#target, "downloadprogress");
    monitor(this.#target as CreateMonitor);
  }

  /** Tells which share has arrived, 0 to 1. */
  tell(loaded: number): void {
    if (this.#target === undefined || loaded <= this.#loaded) return;
    this.#loaded = loaded;
    this.#target.dispatchEvent(progress(loaded));
  }
}

function progress(loaded: number): Event {
  const facts = { lengthComputable: true, loaded, total: 1 };
  return typeof ProgressEvent === "undefined"
    ? Object.assign(new Event("downloadprogress"), facts)
    : new ProgressEvent("downloadprogress", facts);
}

type Handler = ((event: Event) => void) | null;

/** Gives an object the attribute `on…`, by which events are handled too. */
export function handleBy(target: EventTarget, type: string): void {
  let handler: Handler = null;
  target.addEventListener(type, (event) => handler?.call(target, event));
  Object.defineProperty(target, `on${type}`, {
    configurable: true,
    enumerable: true,
    get: () => handler,
    set: (value: unknown) => {
      handler = typeof value === "function" ? (value as Handler) : null;
    },
  });
}
