/** The page's one object: holds the state, does what the user asks, draws. */

import {
  type DevicePreference,
  Flamingo,
  FlamingoError,
  InternalError,
  type LoadEvent,
  type Session,
  type TokenPiece,
} from "flamingo-web";
import { render } from "lit";
import { Photo } from "./photo.js";
import { rememberDevice, type Settings } from "./settings.js";
import type { Actions, Example, State } from "./state.js";
import { page } from "./views/page.js";

export class App implements Actions {
  readonly #root: HTMLElement;
  readonly #modelUrl: string;
  #state: State;
  #drawing = false;
  #loads = new AbortController();
  #captions = new AbortController();
  #session: { readonly examples: readonly Example[]; readonly session: Session } | undefined;
  #lastExample = 0;

  constructor(root: HTMLElement, settings: Settings) {
    this.#root = root;
    this.#modelUrl = settings.model;
    this.#state = {
      preference: settings.device,
      loading: { phase: "starting" },
      notices: [],
      info: undefined,
      device: undefined,
      photo: undefined,
      examples: [],
      writing: { phase: "none" },
    };
    this.#draw();
    void this.#load();
  }

  choosePhoto(file: File): void {
    this.stop();
    this.#state.photo?.release();
    this.#update({ photo: new Photo(file), writing: { phase: "none" } });
  }

  addExamples(files: readonly File[]): void {
    const added = files.map((file) => ({
      id: ++this.#lastExample,
      photo: new Photo(file),
      text: "",
    }));
    this.#update({ examples: [...this.#state.examples, ...added] });
  }

  describeExample(id: number, text: string): void {
    const examples = this.#state.examples.map((example) =>
      example.id === id ? { ...example, text } : example,
    );
    this.#update({ examples });
  }

  removeExample(id: number): void {
    const removed = this.#state.examples.find((example) => example.id === id);
    removed?.photo.release();
    this.#update({ examples: this.#state.examples.filter((example) => example !== removed) });
  }

  chooseDevice(preference: DevicePreference): void {
    if (preference === this.#state.preference) return;
    rememberDevice(preference);
    this.#update({ preference });
    void this.#load();
  }

  retry(): void {
    void this.#load();
  }

  caption(): void {
    const { photo, loading, examples } = this.#state;
    if (photo === undefined || loading.phase !== "ready") return;
    this.stop();
    void this.#write(this.#sessionFor(loading.model, examples), photo, loading.model);
  }

  stop(): void {
    this.#captions.abort();
    this.#captions = new AbortController();
    const { writing } = this.#state;
    if (writing.phase === "writing") {
      this.#update({ writing: { phase: "stopped", pieces: writing.pieces } });
    }
  }

  async #load(): Promise<void> {
    this.stop();
    this.#loads.abort();
    this.#loads = new AbortController();
    const { signal } = this.#loads;
    const { loading, preference: device } = this.#state;
    if (loading.phase === "ready") loading.model.dispose();
    this.#session = undefined;
    this.#update({ loading: { phase: "starting" }, notices: [], device: undefined });
    try {
      const onProgress = (event: LoadEvent) => {
        if (!signal.aborted) this.#progress(event);
      };
      const model = await Flamingo.load(this.#modelUrl, { device, signal, onProgress });
      this.#update({ loading: { phase: "ready", model } });
    } catch (error) {
      if (!signal.aborted) this.#update({ loading: { phase: "failed", error: typed(error) } });
    }
  }

  #progress(event: LoadEvent): void {
    switch (event.status) {
      case "initiate":
        this.#update({ info: event.model });
        break;
      case "device":
        this.#update({ device: event.device });
        break;
      case "progress": {
        // A model whose device was lost is loaded again behind the caption that waits for it.
        if (this.#state.loading.phase === "ready") break;
        const { loaded, total, remainingMs } = event;
        this.#update({
          loading:
            loaded < total
              ? { phase: "downloading", loaded, total, remainingMs }
              : { phase: "building" },
        });
        break;
      }
      case "warning":
        this.#update({ notices: [...this.#state.notices, event] });
        break;
    }
  }

  /** Examples are encoded once, and anew when they change. */
  #sessionFor(model: Flamingo, examples: readonly Example[]): Session {
    if (this.#session?.examples !== examples) {
      this.#session?.session.dispose();
      const shots = examples.map(({ photo, text }) => ({ image: photo.file, text }));
      this.#session = { examples, session: model.session({ shots }) };
    }
    return this.#session.session;
  }

  async #write(session: Session, photo: Photo, model: Flamingo): Promise<void> {
    const { signal } = this.#captions;
    const pieces: TokenPiece[] = [];
    this.#update({ writing: { phase: "writing", pieces: [] } });
    try {
      const stream = session.caption(photo.file, { signal });
      for await (const piece of stream) {
        pieces.push(piece);
        if (!signal.aborted) this.#update({ writing: { phase: "writing", pieces: [...pieces] } });
      }
      const caption = await stream.result;
      const { heapBytes } = await model.memory();
      if (!signal.aborted) {
        this.#update({ writing: { phase: "done", pieces, caption, heapBytes } });
      }
    } catch (error) {
      if (!signal.aborted) this.#update({ writing: { phase: "failed", error: typed(error) } });
    }
  }

  #update(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    this.#draw();
  }

  /** Draws with the next frame, however much changes until then. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      render(page(this.#state, this), this.#root);
    });
  }
}

function typed(error: unknown): FlamingoError {
  return error instanceof FlamingoError
    ? error
    : new InternalError({ reason: String(error) }, { cause: error });
}
