/**
 * `<flamingo-caption>`: a picture, a button and a caption, from one script tag.
 *
 * ```html
 * <script type="module" src="flamingo-web/dist/element.js"></script>
 * <flamingo-caption model="/models/flamingo-smollm2-135m/model.json" src="photo.jpg"></flamingo-caption>
 * ```
 */

import { fetchFile } from "./download.js";
import { Camera } from "./element/camera.js";
import { shotsOf } from "./element/shots.js";
import { type CaptionPhase, EMPTY_VIEW, View, type ViewState } from "./element/view.js";
import {
  type FlamingoError,
  type FlamingoErrorCode,
  fromWire,
  InvalidOptionError,
  throwIfAborted,
  unlessAborted,
} from "./errors.js";
import type { Flamingo } from "./flamingo.js";
import { manifestAddress } from "./model-address.js";
import { ModelShare, type SharedModel } from "./model-share.js";
import type { Session } from "./session.js";
import type {
  Caption,
  DevicePreference,
  GenerateOptions,
  ImageSource,
  LoadEvent,
  Shot,
  Task,
  TokenPiece,
} from "./types.js";

export type { CaptionPhase } from "./element/view.js";

/** What the element tells of itself. None of the events bubbles, as those of media elements. */
export interface FlamingoCaptionEventMap {
  /** A step of the model's loading. */
  progress: CustomEvent<LoadEvent>;
  /** The model is ready. */
  ready: CustomEvent<Flamingo>;
  /** A token of the caption. */
  token: CustomEvent<TokenPiece>;
  /** A whole caption; with `live`, each. */
  caption: CustomEvent<Caption>;
  /** What went wrong. The element shows its message. */
  error: CustomEvent<FlamingoError>;
}

/** The models of all elements of this page. */
const models = new ModelShare();

/** After these the model answers no more; the next start loads it anew. */
const FATAL: readonly FlamingoErrorCode[] = [
  "device-lost",
  "device",
  "disposed",
  "internal",
  "out-of-memory",
];

/** Properties that a page may have set before the element was defined; they then hide the accessors. */
const UPGRADED = [
  "model",
  "device",
  "src",
  "alt",
  "image",
  "shots",
  "task",
  "question",
  "options",
  "live",
  "auto",
] as const;

/** Where pages are rendered on a server there are no elements, but the module can be imported. */
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * A picture and its caption. Nothing is downloaded before the button is pressed, or {@link start}
 * is called, or the attribute `auto` is there. Elements with the same model and device share one
 * model.
 *
 * Attributes, each with a property of its name: `model`, `src`, `alt`, `shots`, `task`, `question`,
 * `device`, `live`, `auto`. Slots: `choose`, `start`, `stop`, the words of its controls. Parts:
 * `figure`, `media`, `image`, `video`, `choose`, `caption`, `controls`, `button`, `status`,
 * `progress`, `figures`, `error`. Custom properties: `--flamingo-accent`, `--flamingo-on-accent`,
 * `--flamingo-text`, `--flamingo-muted`, `--flamingo-error`, `--flamingo-font`, `--flamingo-gap`,
 * `--flamingo-radius`. Escape stops what runs.
 */
export class FlamingoCaption extends Base {
  static readonly observedAttributes = [
    "model",
    "device",
    "src",
    "alt",
    "shots",
    "task",
    "question",
    "live",
    "auto",
  ];

  readonly #view: View;
  #state: ViewState = EMPTY_VIEW;
  #options: GenerateOptions = {};
  #share: SharedModel | undefined;
  /** Whether the shared model has loaded. */
  #ready = false;
  #session: Session | undefined;
  #work: AbortController | undefined;
  #image: ImageSource | undefined;
  /** Address of a chosen file, for as long as it is shown. */
  #blobUrl = "";
  #shots: readonly Shot[] | undefined;
  #task: Task | undefined;
  #starting = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    this.#view = new View(root, {
      start: () => this.#startUnasked(),
      stop: () => this.stop(),
      choose: (file) => {
        this.image = file;
      },
    });
  }

  /** Address of a `model.json`, relative to the page. */
  get model(): string {
    return this.getAttribute("model") ?? "";
  }

  set model(url: string) {
    this.setAttribute("model", url);
  }

  /** Where the model runs. `auto` by default. */
  get device(): DevicePreference {
    const device = this.getAttribute("device");
    return device === "webgpu" || device === "cpu" ? device : "auto";
  }

  set device(device: DevicePreference) {
    this.setAttribute("device", device);
  }

  /** Address of the picture. Where there is none, the user may choose a file. */
  get src(): string {
    return this.getAttribute("src") ?? "";
  }

  set src(url: string) {
    this.setAttribute("src", url);
  }

  /** What a screen reader says of the picture. */
  get alt(): string {
    return this.getAttribute("alt") ?? "The picture to be captioned";
  }

  set alt(text: string) {
    this.setAttribute("alt", text);
  }

  /** A picture that has no address, in place of {@link src}. A `Blob` is shown. */
  get image(): ImageSource | undefined {
    return this.#image;
  }

  set image(image: ImageSource | undefined) {
    this.#image = image;
    this.#changePicture();
  }

  /**
   * Examples: set as a list or, as an attribute, the selector of an element whose `<figure>`s they
   * are, with an `<img>`, a `<figcaption>` and perhaps `data-question`. Undefined where neither is.
   */
  get shots(): readonly Shot[] | string | undefined {
    return this.#shots ?? this.getAttribute("shots") ?? undefined;
  }

  set shots(shots: readonly Shot[] | string | undefined) {
    this.#shots = typeof shots === "string" ? undefined : shots;
    if (typeof shots === "string") this.setAttribute("shots", shots);
    this.#changeSession();
  }

  /** What examples and pictures are about; as an attribute the name of a task. `caption` by default. */
  get task(): Task {
    return this.#task ?? ((this.getAttribute("task") as Task | null) || "caption");
  }

  set task(task: Task) {
    this.#task = typeof task === "string" ? undefined : task;
    if (typeof task === "string") this.setAttribute("task", task);
    this.#changeSession();
  }

  /** What is asked about the picture, where the task has a place for it. */
  get question(): string {
    return this.getAttribute("question") ?? "";
  }

  set question(question: string) {
    this.setAttribute("question", question);
  }

  /** Whether the camera is captioned, frame after frame, until {@link stop}. */
  get live(): boolean {
    return this.hasAttribute("live");
  }

  set live(live: boolean) {
    this.toggleAttribute("live", live);
  }

  /** Whether it starts by itself, and again with each new picture. */
  get auto(): boolean {
    return this.hasAttribute("auto");
  }

  set auto(auto: boolean) {
    this.toggleAttribute("auto", auto);
  }

  /** How tokens are chosen. Without options the likeliest is taken each time. */
  get options(): GenerateOptions {
    return this.#options;
  }

  set options(options: GenerateOptions) {
    this.#options = options;
  }

  /** The caption so far. */
  get text(): string {
    return this.#state.text;
  }

  /** How far it has come. */
  get phase(): CaptionPhase {
    return this.#state.phase;
  }

  /**
   * Captions the picture; with `live`, what the camera sees until {@link stop}. Resolves when that
   * is done or stopped.
   *
   * @throws a {@link FlamingoError}, which the element shows too.
   */
  async start(): Promise<void> {
    this.stop();
    const work = new AbortController();
    this.#work = work;
    const { signal } = work;
    this.#show({ phase: this.#ready ? "writing" : "loading", text: "", error: "" });
    try {
      if (this.live) await this.#captionCamera(signal);
      else {
        const session = await this.#openSession(signal);
        await this.#write(session, await this.#findImage(signal), signal);
        this.#show({ phase: "done" });
      }
    } catch (thrown) {
      if (signal.aborted) return;
      const error = fromWire(thrown);
      this.#fail(error);
      throw error;
    } finally {
      if (this.#work === work) this.#work = undefined;
    }
  }

  /** Stops what runs; what is written stays. A download that nobody else waits for ends too. */
  stop(): void {
    if (this.#work === undefined) return;
    this.#work.abort();
    this.#work = undefined;
    if (!this.#ready) this.#releaseModel();
    this.#show({ phase: "stopped", download: undefined });
  }

  connectedCallback(): void {
    for (const name of UPGRADED) {
      if (!Object.hasOwn(this, name)) continue;
      const own: Partial<Record<string, unknown>> = this as never;
      const value = own[name];
      delete own[name];
      own[name] = value;
    }
    // One that was moved goes on.
    if (this.#state.phase === "idle") this.#changePicture();
  }

  disconnectedCallback(): void {
    // One that is only moved is connected again by then.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.stop();
      this.#releaseModel();
    });
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    switch (name) {
      case "model":
      case "device":
        this.stop();
        this.#releaseModel();
        break;
      case "shots":
      case "task":
        this.#changeSession();
        break;
      case "src":
        this.#image = undefined;
        this.#changePicture();
        break;
      case "live":
        this.stop();
        this.#changePicture();
        break;
      case "alt":
        this.#show({ alt: this.alt });
        break;
    }
    this.#startIfAuto();
  }

  override addEventListener<K extends keyof FlamingoCaptionEventMap>(
    type: K,
    listener: (this: FlamingoCaption, event: FlamingoCaptionEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: unknown,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as EventListener, options);
  }

  async #captionCamera(signal: AbortSignal): Promise<never> {
    const camera = await Camera.open(this.#view.video, signal);
    try {
      const session = await this.#openSession(signal);
      for (;;) await this.#write(session, await camera.frame(signal), signal);
    } finally {
      camera.close();
    }
  }

  async #write(session: Session, image: ImageSource, signal: AbortSignal): Promise<void> {
    const options = { ...this.#options, signal };
    const stream =
      this.question === ""
        ? session.caption(image, options)
        : session.ask(image, this.question, options);
    // The last caption of a camera stays until the next one begins.
    if (!this.live) this.#show({ phase: "writing", text: "" });
    let text = "";
    for await (const piece of stream) {
      throwIfAborted(signal);
      text += piece.text;
      this.#show({ phase: "writing", text });
      this.#tell("token", piece);
    }
    const caption = await stream.result;
    throwIfAborted(signal);
    this.#show({ text: caption.text });
    this.#tell("caption", caption);
  }

  /** The session of the examples and the task there are now; opened once for all pictures. */
  async #openSession(signal: AbortSignal): Promise<Session> {
    const model = await this.#openModel(signal);
    if (this.#session === undefined) {
      const shots = await this.#findShots(signal);
      throwIfAborted(signal);
      this.#session = model.session({ shots, task: this.task });
    }
    return this.#session;
  }

  async #openModel(signal: AbortSignal): Promise<Flamingo> {
    if (this.model === "") {
      throw new InvalidOptionError({
        reason: 'the element has no model; give it the address of one, as in model="model.json"',
      });
    }
    const isNew = this.#share === undefined;
    const url = manifestAddress(this.model, this.baseURI);
    this.#share ??= models.take(url, this.device, (event) => this.#hear(event));
    const model = await unlessAborted(this.#share.ready, signal);
    this.#ready = true;
    this.#show({ phase: "writing" });
    if (isNew) this.#tell("ready", model);
    return model;
  }

  async #findShots(signal: AbortSignal): Promise<readonly Shot[]> {
    const { shots = [] } = this;
    return typeof shots === "string"
      ? shotsOf(this.getRootNode() as Document | ShadowRoot, shots, signal)
      : shots;
  }

  async #findImage(signal: AbortSignal): Promise<ImageSource> {
    if (this.#image !== undefined) return this.#image;
    if (this.src !== "") return fetchFile(new URL(this.src, this.baseURI).href, signal);
    throw new InvalidOptionError({
      reason: "the element has no picture; give it a src or an image, or choose one",
    });
  }

  #hear(event: LoadEvent): void {
    if (event.status === "progress" && this.#work !== undefined) {
      const { loaded, total, remainingMs } = event;
      this.#show({ download: { loaded, total, remainingMs } });
    }
    // It may be loaded a second time, behind a call that waits for it.
    if (event.status === "ready") this.#show({ download: undefined });
    this.#tell("progress", event);
  }

  #fail(error: FlamingoError): void {
    // A session whose examples failed stays failed, and so does a model that did not load.
    this.#dropSession();
    if (!this.#ready || FATAL.includes(error.code)) {
      this.#share?.retire();
      this.#share = undefined;
      this.#ready = false;
    }
    this.#show({ phase: "failed", error: error.message, download: undefined });
    this.#tell("error", error);
  }

  #changePicture(): void {
    URL.revokeObjectURL(this.#blobUrl);
    this.#blobUrl = this.#image instanceof Blob ? URL.createObjectURL(this.#image) : "";
    const picture = this.#image === undefined ? this.src : this.#blobUrl;
    this.stop();
    const { alt, live } = this;
    const choosable = this.src === "";
    this.#show({ ...EMPTY_VIEW, picture, alt, live, choosable });
    this.#startIfAuto();
  }

  #changeSession(): void {
    this.stop();
    this.#dropSession();
    this.#startIfAuto();
  }

  #releaseModel(): void {
    this.#dropSession();
    this.#share?.release();
    this.#share = undefined;
    this.#ready = false;
  }

  #dropSession(): void {
    this.#session?.dispose();
    this.#session = undefined;
  }

  /** Starts when all that changes now has changed. */
  #startIfAuto(): void {
    if (!this.auto || !this.isConnected || this.#starting) return;
    this.#starting = true;
    queueMicrotask(() => {
      this.#starting = false;
      const hasPicture = this.live || this.src !== "" || this.#image !== undefined;
      if (this.auto && this.isConnected && this.model !== "" && hasPicture) this.#startUnasked();
    });
  }

  /** Nobody awaits this one; a failure is shown and told by an event. */
  #startUnasked(): void {
    this.start().catch(() => {});
  }

  #show(change: Partial<ViewState>): void {
    this.#state = { ...this.#state, ...change };
    this.#view.update(this.#state);
  }

  #tell<K extends keyof FlamingoCaptionEventMap>(
    type: K,
    detail: FlamingoCaptionEventMap[K]["detail"],
  ): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "flamingo-caption": FlamingoCaption;
  }
}

if (globalThis.customElements && !customElements.get("flamingo-caption")) {
  customElements.define("flamingo-caption", FlamingoCaption);
}
