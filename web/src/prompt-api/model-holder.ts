/** The model behind all sessions of a `LanguageModel`. */

import { Flamingo, type LoadOptions } from "../flamingo.js";
import { manifestAddress } from "../model-address.js";
import type { ModelFolder } from "../model-folder.js";
import type { LoadEvent } from "../types.js";

/** What loads models, and knows of those that were loaded. */
export type Loader = Pick<typeof Flamingo, "load" | "inspect" | "cached">;

/** Whether a session can be created. */
export type Availability = "unavailable" | "downloadable" | "downloading" | "available";

/** Loads a model once it is wanted, and once. */
export class ModelHolder {
  readonly #source: string | URL | ModelFolder | Flamingo;
  readonly #options: LoadOptions;
  readonly #loader: Loader;
  readonly #listeners = new Set<(loaded: number) => void>();
  #loading: Promise<Flamingo> | undefined;
  #ready = false;

  constructor(
    source: string | URL | ModelFolder | Flamingo,
    options: LoadOptions,
    loader: Loader = Flamingo,
  ) {
    this.#source = source;
    this.#options = options;
    this.#loader = loader;
  }

  /** How much is left to be done before there is a model. */
  async availability(): Promise<Availability> {
    if (this.#ready) return "available";
    if (this.#loading !== undefined) return "downloading";
    const source = this.#source;
    if (typeof source === "object" && !(source instanceof URL)) return "available";
    const url = manifestAddress(source, document.baseURI);
    const kept = (await this.#loader.cached().catch(() => [])).find((model) => model.url === url);
    if (kept !== undefined && kept.bytes === kept.totalBytes) return "available";
    return this.#loader.inspect(source).then(
      () => "downloadable",
      () => "unavailable",
    );
  }

  /** The model. `onProgress` hears which share of it, 0 to 1, has arrived. */
  async model(onProgress: (loaded: number) => void): Promise<Flamingo> {
    const source = this.#source;
    if (typeof source === "object" && "session" in source) return source;
    this.#listeners.add(onProgress);
    this.#loading ??= this.#load(source);
    try {
      return await this.#loading;
    } finally {
      this.#listeners.delete(onProgress);
    }
  }

  async #load(source: string | URL | ModelFolder): Promise<Flamingo> {
    const onProgress = (event: LoadEvent) => {
      if (event.status !== "progress") return;
      for (const listener of this.#listeners) listener(event.loaded / event.total);
    };
    try {
      const model = await this.#loader.load(source, { ...this.#options, onProgress });
      this.#ready = true;
      return model;
    } catch (error) {
      // Who asks again has it tried again.
      this.#loading = undefined;
      throw error;
    }
  }
}
