/** The one place that holds the loaded model. Views read its state and ask it to change. */

import {
  type DevicePreference,
  type DeviceReport,
  Flamingo,
  type LoadEvent,
  type ModelFolder,
  type ModelInfo,
} from "flamingo-web";
import { type Fault, faultOf } from "../errors.js";

/** How far the model has come. */
export type Loading =
  | { readonly phase: "starting" }
  | {
      readonly phase: "downloading";
      readonly loaded: number;
      readonly total: number;
      /** Milliseconds until the rest is there, once that is known. */
      readonly remainingMs: number | undefined;
    }
  | { readonly phase: "building" }
  | { readonly phase: "ready"; readonly model: Flamingo }
  | { readonly phase: "failed"; readonly error: Fault };

/** What was mended while the model was loaded. */
export type Notice = Extract<LoadEvent, { status: "warning" }>;

export interface ModelState {
  /** Address of the `model.json`, relative to the page, or a folder from the disk. */
  readonly source: string | ModelFolder;
  readonly preference: DevicePreference;
  readonly loading: Loading;
  readonly notices: readonly Notice[];
  readonly info: ModelInfo | undefined;
  readonly device: DeviceReport | undefined;
  /** Addresses of the WebAssembly modules that this visit has started. */
  readonly modules: readonly string[];
}

export class ModelHolder {
  #state: ModelState;
  #load = new AbortController();
  readonly #listeners = new Set<() => void>();

  constructor(source: string, preference: DevicePreference) {
    this.#state = {
      source,
      preference,
      loading: { phase: "starting" },
      notices: [],
      info: undefined,
      device: undefined,
      modules: [],
    };
  }

  get state(): ModelState {
    return this.#state;
  }

  /** The model, once it is ready. */
  get model(): Flamingo | undefined {
    const { loading } = this.#state;
    return loading.phase === "ready" ? loading.model : undefined;
  }

  /** Calls `listener` after every change of the state, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Runs the model elsewhere; it is loaded anew for that. */
  chooseDevice(preference: DevicePreference): void {
    if (preference === this.#state.preference) return;
    this.#update({ preference });
    void this.load();
  }

  /** Takes another model in place of this one. */
  chooseModel(source: string | ModelFolder): void {
    this.#update({ source, info: undefined });
    void this.load();
  }

  /** Loads the model, whatever was there or under way before. Failures are part of the state. */
  async load(): Promise<void> {
    this.dispose();
    this.#load = new AbortController();
    const { signal } = this.#load;
    const { source, preference: device } = this.#state;
    this.#update({ loading: { phase: "starting" }, notices: [], device: undefined });
    try {
      const onProgress = (event: LoadEvent) => {
        if (!signal.aborted) this.#progress(event);
      };
      const model = await Flamingo.load(source, { device, signal, onProgress });
      // It may have been ready in the moment in which it was no longer wanted.
      if (signal.aborted) model.dispose();
      else this.#update({ loading: { phase: "ready", model } });
    } catch (error) {
      if (!signal.aborted) this.#update({ loading: { phase: "failed", error: faultOf(error) } });
    }
  }

  /** Stops the loading, or frees all that the model holds. Sessions made of it end. */
  dispose(): void {
    this.#load.abort();
    this.model?.dispose();
  }

  #progress(event: LoadEvent): void {
    switch (event.status) {
      case "initiate":
        this.#update({ info: event.model });
        break;
      case "module":
        this.#update({ modules: [...this.#state.modules, event.url] });
        break;
      case "device":
        this.#update({ device: event.device });
        break;
      case "progress": {
        // A model whose device was lost is loaded again behind the text that waits for it.
        if (this.#state.loading.phase === "ready") break;
        const { loaded, total, remainingMs } = event;
        const loading: Loading =
          loaded < total
            ? { phase: "downloading", loaded, total, remainingMs }
            : { phase: "building" };
        this.#update({ loading });
        break;
      }
      case "warning":
        this.#update({ notices: [...this.#state.notices, event] });
        break;
    }
  }

  #update(change: Partial<ModelState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
