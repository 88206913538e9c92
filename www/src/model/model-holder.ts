/** The one place that holds the loaded model. Views read its state and ask it to change. */

import {
  type DevicePreference,
  type DeviceReport,
  Flamingo,
  type LoadEvent,
  type ModelFolder,
  type ModelInfo,
} from "flamingo-web";
import { faultOf } from "../errors.js";
import { awaited, type Loading, type Told } from "./loading.js";

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
  /** What was told of the loading under way. */
  #told: Told = {};
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
    this.#told = {};
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
        const { loaded, total, remainingMs } = event;
        this.#tell({ downloaded: { done: loaded, total }, remainingMs });
        break;
      }
      case "compile": {
        const { done, total } = event;
        this.#tell({ compiled: { done, total } });
        break;
      }
      case "warning":
        this.#update({ notices: [...this.#state.notices, event] });
        break;
    }
  }

  #tell(told: Told): void {
    // A model whose device was lost is loaded again behind the text that waits for it.
    if (this.#state.loading.phase === "ready") return;
    this.#told = { ...this.#told, ...told };
    this.#update({ loading: awaited(this.#told) });
  }

  #update(change: Partial<ModelState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}
