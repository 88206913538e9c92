/** One model for everyone on the page who asks for it. */

import { Flamingo, type LoadOptions } from "./flamingo.js";
import type { DevicePreference, LoadEvent } from "./types.js";

/** A share in a model. */
export interface SharedModel {
  /** The model; rejects with what its loading threw. */
  readonly ready: Promise<Flamingo>;
  /** Gives the share back. With the last one the model is disposed of, or its loading stopped. */
  release(): void;
  /** {@link release}; whoever asks from now on gets a new model. For one that has failed. */
  retire(): void;
}

interface Entry {
  readonly ready: Promise<Flamingo>;
  readonly stop: AbortController;
  /** One for each share that is out. */
  readonly listeners: Set<(event: LoadEvent) => void>;
  last: LoadEvent | undefined;
}

/** Loads each model once, however many ask for it, and keeps it while anyone has a share in it. */
export class ModelShare {
  readonly #load: (url: string, options: LoadOptions) => Promise<Flamingo>;
  readonly #entries = new Map<string, Entry>();

  constructor(load: (url: string, options: LoadOptions) => Promise<Flamingo> = Flamingo.load) {
    this.#load = load;
  }

  /** Takes a share in the model at `url`. `onProgress` hears what comes, and at once what came last. */
  take(url: string, device: DevicePreference, onProgress: (event: LoadEvent) => void): SharedModel {
    const key = `${device} ${url}`;
    const entry = this.#entries.get(key) ?? this.#open(key, url, device);
    const listener = (event: LoadEvent) => onProgress(event);
    entry.listeners.add(listener);
    if (entry.last !== undefined) listener(entry.last);
    const release = () => {
      if (!entry.listeners.delete(listener) || entry.listeners.size > 0) return;
      this.#forget(key, entry);
      entry.stop.abort();
      entry.ready.then(
        (model) => model.dispose(),
        // Who waited for it was told.
        () => {},
      );
    };
    const retire = () => {
      this.#forget(key, entry);
      release();
    };
    return { ready: entry.ready, release, retire };
  }

  #open(key: string, url: string, device: DevicePreference): Entry {
    const stop = new AbortController();
    const listeners: Entry["listeners"] = new Set();
    const onProgress = (event: LoadEvent) => {
      entry.last = event;
      for (const listener of listeners) listener(event);
    };
    const ready = this.#load(url, { device, signal: stop.signal, onProgress });
    const entry: Entry = { ready, stop, listeners, last: undefined };
    this.#entries.set(key, entry);
    // A failure is not shared with those who ask later: they try again.
    ready.catch(() => this.#forget(key, entry));
    return entry;
  }

  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}
