/** A place that takes pictures and clips: by click or key, drop, paste, camera and address. */

import type { AttentionMap } from "flamingo-web";
import { html, nothing } from "lit";
import { type Fault, faultOf } from "../errors.js";
import { addressForm } from "../parts/address-form.js";
import { faultMessage } from "../parts/fault-message.js";
import { icon } from "../parts/icon.js";
import { LightElement } from "../parts/light-element.js";
import { takeFiles } from "../parts/take-files.js";
import { fetchMedium } from "./fetch-medium.js";
import { kindOf } from "./file-kind.js";
import { ACCEPT, filesOf, type Medium, mediumOf, pictureOf } from "./medium.js";
import "./medium-picture.js";

/** Tells what was given, in the order in which it was. */
export type MediaEvent = CustomEvent<readonly Medium[]>;

/** Milliseconds before it is said that something takes its time. */
const PATIENCE_MS = 200;

export class MediaInput extends LightElement {
  static override properties = {
    label: { attribute: false },
    invitation: { attribute: false },
    multiple: { attribute: false },
    pasteFrom: { attribute: false },
    medium: { attribute: false },
    attention: { attribute: false },
    sample: { attribute: false },
  };

  /** What a screen reader says of the place. */
  declare label: string;
  /** What is written there while it is empty. */
  declare invitation: string;
  /** Whether several are taken at once. */
  declare multiple: boolean;
  /** Where a paste belongs to this place: anywhere on the page, or within the element around it that a selector names. */
  declare pasteFrom: "page" | (string & {});
  /** What was given, where it stays on show. */
  declare medium: Medium | undefined;
  /** Where the model looked in it. */
  declare attention: AttentionMap | undefined;
  /** Fetches a picture for a user who has none at hand; another one each time. */
  declare sample: (() => Promise<File>) | undefined;

  #pasteTarget: EventTarget | null = null;
  #over = false;
  #asking = false;
  #waiting = false;
  #fault: Fault | undefined;

  constructor() {
    super();
    this.label = "Choose a photo";
    this.invitation = "Choose a photo";
    this.multiple = false;
    this.pasteFrom = "page";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#pasteTarget = this.pasteFrom === "page" ? window : this.closest(this.pasteFrom);
    this.#pasteTarget?.addEventListener("paste", this.#paste);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#pasteTarget?.removeEventListener("paste", this.#paste);
  }

  override render() {
    return html`
      <label
        class=${this.#over ? "drop over" : "drop"}
        @dragover=${this.#drag}
        @dragleave=${this.#leave}
        @drop=${this.#drop}
      >
        <input
          class="visually-hidden"
          type="file"
          accept=${ACCEPT}
          aria-label=${this.label}
          ?multiple=${this.multiple}
          @change=${this.#choose}
        />
        ${this.medium === undefined ? this.#invite() : this.#shown(this.medium)}
      </label>
      <div class="sources">
        <button type="button" class="quiet" @click=${this.#photograph}>
          ${icon("camera")}Camera
        </button>
        <button
          type="button"
          class="quiet"
          aria-expanded=${this.#asking}
          @click=${() => this.#set({ asking: !this.#asking })}
        >
          ${icon("link")}Address
        </button>
        ${
          this.sample === undefined
            ? nothing
            : html`<button type="button" class="quiet" @click=${this.#takeSample}>
                ${icon("picture")}Sample
              </button>`
        }
        ${this.#waiting ? html`<span class="hint" role="status">One moment …</span>` : nothing}
      </div>
      ${this.#asking ? this.#addressForm() : nothing}
      ${this.#fault === undefined ? nothing : faultMessage(this.#fault)}
    `;
  }

  #invite() {
    return html`
      <span class="invitation">
        ${icon("picture")}
        <strong>${this.invitation}</strong>
        <span>or drop or paste ${this.multiple ? "some" : "one"}</span>
        <small>A picture or a video</small>
      </span>
    `;
  }

  #shown(medium: Medium) {
    return html`
      <medium-picture
        .medium=${medium}
        .attention=${this.attention}
        .alt=${`The chosen photo, ${medium.name}`}
      ></medium-picture>
    `;
  }

  #addressForm() {
    return addressForm({
      label: "Address of a picture or a video",
      placeholder: "https://…",
      button: "Fetch",
      hint: "The one way this page asks another server: it is told the address only.",
      onAddress: this.#fetch,
    });
  }

  #set({ over = this.#over, asking = this.#asking, waiting = this.#waiting }): void {
    this.#over = over;
    this.#asking = asking;
    this.#waiting = waiting;
    this.requestUpdate();
  }

  readonly #drag = (event: DragEvent) => {
    event.preventDefault();
    this.#set({ over: true });
  };

  readonly #leave = () => this.#set({ over: false });

  readonly #drop = (event: DragEvent) => {
    event.preventDefault();
    this.#set({ over: false });
    this.#take(filesOf(event.dataTransfer));
  };

  /** A place within an element hears of a paste there before the page does, and takes it. */
  readonly #paste = (event: Event) => {
    const files = filesOf((event as ClipboardEvent).clipboardData);
    if (event.defaultPrevented || files.length === 0) return;
    event.preventDefault();
    this.#take(files);
  };

  readonly #choose = (event: Event) => this.#take(takeFiles(event));

  readonly #photograph = () =>
    this.#receive(async () => {
      const { photograph } = await import("./camera-dialog.js");
      const medium = await photograph();
      return medium === undefined ? [] : [medium];
    });

  readonly #takeSample = () =>
    this.#receive(async () => {
      const file = await this.sample?.();
      return file === undefined ? [] : [await mediumOf(file)];
    });

  readonly #fetch = (address: string) =>
    this.#receive(async () => {
      const medium = await fetchMedium(address);
      this.#asking = false;
      return [medium];
    });

  #take(files: readonly File[]): void {
    const taken = this.multiple ? files : files.slice(0, 1);
    const [first] = taken;
    if (first === undefined) return;
    if (!this.multiple && first.type.startsWith("image/")) this.#takePicture(first);
    else void this.#receive(() => Promise.all(taken.map(mediumOf)));
  }

  /** Takes what is called a picture as one at once: whatever is pressed next is about it. */
  #takePicture(file: File): void {
    this.#tell([pictureOf(file)]);
    void kindOf(file).then(
      (kind) => {
        if (kind === "video") void this.#receive(async () => [await mediumOf(file)]);
      },
      // What cannot be read is told where it is needed.
      () => {},
    );
  }

  async #receive(get: () => Promise<readonly Medium[]>): Promise<void> {
    this.#fault = undefined;
    this.requestUpdate();
    // What is there in a moment need not be waited for in words.
    const timer = setTimeout(() => this.#set({ waiting: true }), PATIENCE_MS);
    try {
      this.#tell(await get());
    } catch (error) {
      this.#fault = faultOf(error);
    }
    clearTimeout(timer);
    this.#set({ waiting: false });
  }

  #tell(media: readonly Medium[]): void {
    this.#fault = undefined;
    this.requestUpdate();
    if (media.length > 0) this.dispatchEvent(new CustomEvent("media", { detail: media }));
  }
}

customElements.define("media-input", MediaInput);
