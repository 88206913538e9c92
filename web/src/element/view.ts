/** What `<flamingo-caption>` shows. It knows nothing of models. */

/** How far a caption has come. */
export type CaptionPhase = "idle" | "loading" | "writing" | "done" | "stopped" | "failed";

/** Everything there is to see. */
export interface ViewState {
  readonly phase: CaptionPhase;
  /** The caption so far. */
  readonly text: string;
  /** What went wrong; empty where nothing did. */
  readonly error: string;
  /** Address of the picture; empty where there is none. */
  readonly picture: string;
  /** What a screen reader says of the picture. */
  readonly alt: string;
  /** Whether the user may choose the picture. */
  readonly choosable: boolean;
  /** Whether the camera is the picture. */
  readonly live: boolean;
  /** The download, in bytes and milliseconds. */
  readonly download:
    | { readonly loaded: number; readonly total: number; readonly remainingMs: number | undefined }
    | undefined;
}

/** What the user can do. */
export interface ViewActions {
  start(): void;
  stop(): void;
  choose(file: File): void;
}

/** Nothing yet. */
export const EMPTY_VIEW: ViewState = {
  phase: "idle",
  text: "",
  error: "",
  picture: "",
  alt: "",
  choosable: true,
  live: false,
  download: undefined,
};

const SENTENCES: Record<CaptionPhase, string> = {
  idle: "",
  loading: "Loading the model",
  writing: "Writing",
  done: "",
  stopped: "Stopped",
  failed: "",
};

/** The parts of the element, in its shadow. */
export class View {
  /** Shows the camera. */
  readonly video = make("video", { part: "video", "aria-label": "Camera" });

  readonly #image = make("img", { part: "image" });
  readonly #file = make("input", { type: "file", accept: "image/*" });
  readonly #choose = make("label", { part: "choose" }, this.#file, [
    slot("choose", "Choose a photo, or drop one here"),
  ]);
  readonly #output = make("output", { part: "caption", "aria-live": "polite" });
  readonly #start = slot("start", "Caption");
  readonly #stop = slot("stop", "Stop");
  readonly #button = make("button", { part: "button", type: "button" }, this.#start, this.#stop);
  readonly #status = make("span", { part: "status", role: "status" });
  readonly #progress = make("progress", {
    part: "progress",
    "aria-label": "Download of the model",
  });
  // Its figures change too often to be read out; the bar tells them to who asks.
  readonly #figures = make("span", { part: "figures", "aria-hidden": "true" });
  readonly #error = make("p", { part: "error", role: "alert" });

  #running = false;

  constructor(root: ShadowRoot, actions: ViewActions) {
    root.adoptedStyleSheets = [styleSheet()];
    this.video.muted = true;
    this.video.playsInline = true;
    const controls = make(
      "div",
      { part: "controls" },
      this.#button,
      this.#status,
      this.#progress,
      this.#figures,
    );
    const media = make("div", { part: "media" }, this.#image, this.video, this.#choose);
    const caption = make("figcaption", {}, this.#output);
    root.append(make("figure", { part: "figure" }, media, caption), controls, this.#error);

    this.#button.addEventListener("click", () =>
      this.#running ? actions.stop() : actions.start(),
    );
    root.addEventListener("keydown", (event) => {
      if ((event as KeyboardEvent).key === "Escape" && this.#running) actions.stop();
    });
    const take = (files: FileList | null | undefined) => {
      const [file] = files ?? [];
      if (file !== undefined) actions.choose(file);
    };
    this.#file.addEventListener("change", () => {
      take(this.#file.files);
      // Choosing the same file again is a choice too.
      this.#file.value = "";
    });
    for (const name of ["dragover", "dragleave", "drop"]) {
      media.addEventListener(name, (event) => {
        if (this.#choose.hidden) return;
        event.preventDefault();
        this.#choose.classList.toggle("over", name === "dragover");
        if (name === "drop") take((event as DragEvent).dataTransfer?.files);
      });
    }
  }

  /** Shows a state. Only what differs from the last one is touched, so that nothing is read out twice. */
  update(state: ViewState): void {
    const { phase, text, error, picture, alt, choosable, live, download } = state;
    const running = phase === "loading" || phase === "writing";
    this.#running = running;

    this.#image.hidden = picture === "" || live;
    if (this.#image.getAttribute("src") !== picture) this.#image.src = picture;
    this.#image.alt = alt;
    this.video.hidden = !live;
    this.#choose.hidden = !choosable || live;

    setText(this.#output, text);
    // Captions of a camera follow each other faster than they can be read out.
    this.#output.ariaLive = live ? "off" : "polite";
    this.#output.ariaBusy = `${phase === "writing"}`;

    this.#start.hidden = running;
    this.#stop.hidden = !running;
    this.#button.disabled = !running && !live && picture === "";

    setText(this.#status, SENTENCES[phase]);
    this.#progress.hidden = download === undefined;
    this.#figures.hidden = download === undefined;
    if (download !== undefined) {
      const { loaded, total, remainingMs } = download;
      this.#progress.max = total;
      this.#progress.value = loaded;
      const left = remainingMs === undefined ? "" : `, ${Math.ceil(remainingMs / 1000)} s left`;
      setText(
        this.#figures,
        `${(loaded / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB${left}`,
      );
    }
    this.#error.hidden = error === "";
    setText(this.#error, error);
  }
}

function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Record<string, string>,
  ...children: (Node | Node[])[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.flat());
  return element;
}

function slot(name: string, content: string): HTMLSlotElement {
  const element = make("slot", { name });
  element.append(content);
  return element;
}

function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

let shared: CSSStyleSheet | undefined;

/** One sheet for all elements. A sheet that is adopted needs no hole in a page's policy. */
function styleSheet(): CSSStyleSheet {
  if (shared === undefined) {
    shared = new CSSStyleSheet();
    shared.replaceSync(STYLE);
  }
  return shared;
}

const STYLE = `
:host {
  display: block;
  max-inline-size: 32rem;
  font-family: var(--flamingo-font, inherit);
  color: var(--flamingo-text, inherit);
}
:host([hidden]), [hidden] { display: none !important; }
figure { margin: 0; display: grid; gap: var(--flamingo-gap, 0.75rem); }
img, video {
  display: block;
  inline-size: 100%;
  block-size: auto;
  border-radius: var(--flamingo-radius, 0.5rem);
}
label {
  position: relative;
  display: grid;
  place-items: center;
  min-block-size: 2.75rem;
  padding: 0.75rem;
  border: 2px dashed var(--flamingo-muted, currentColor);
  border-radius: var(--flamingo-radius, 0.5rem);
  text-align: center;
  cursor: pointer;
}
img:not([hidden]) ~ label { margin-block-start: var(--flamingo-gap, 0.75rem); }
input { position: absolute; inset: 0; opacity: 0; inline-size: 100%; cursor: pointer; }
label:has(:focus-visible), label.over { outline: 3px solid var(--flamingo-accent, #b3195f); outline-offset: 2px; }
output { display: block; min-block-size: 1.5em; font-size: 1.125em; }
div[part="controls"] {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: var(--flamingo-gap, 0.75rem);
  margin-block-start: var(--flamingo-gap, 0.75rem);
}
button {
  min-block-size: 2.75rem;
  min-inline-size: 2.75rem;
  padding: 0.5rem 1.25rem;
  border: 0;
  border-radius: var(--flamingo-radius, 0.5rem);
  background: var(--flamingo-accent, #b3195f);
  color: var(--flamingo-on-accent, #fff);
  font: inherit;
  cursor: pointer;
}
button:focus-visible { outline: 3px solid var(--flamingo-accent, #b3195f); outline-offset: 2px; }
button:disabled { opacity: 0.5; cursor: default; }
progress { accent-color: var(--flamingo-accent, #b3195f); }
span[part="figures"] { font-variant-numeric: tabular-nums; }
p { margin-block: var(--flamingo-gap, 0.75rem) 0; color: var(--flamingo-error, #b3261e); }
`;
