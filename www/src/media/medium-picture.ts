/** A picture or a clip on the page. Its addresses live as long as it is shown. */

import type { AttentionMap } from "flamingo-web";
import { html, nothing, type PropertyValues } from "lit";
import { icon } from "../parts/icon.js";
import { LightElement } from "../parts/light-element.js";
import { drawAttention } from "./draw-attention.js";
import { coverOf, type Medium } from "./medium.js";

export class MediumPicture extends LightElement {
  static override properties = {
    medium: { attribute: false },
    alt: { attribute: false },
    cover: { attribute: false },
    attention: { attribute: false },
    place: { attribute: false },
  };

  declare medium: Medium | undefined;
  /** What a screen reader says of it. */
  declare alt: string;
  /** Show one frame of a clip only. */
  declare cover: boolean;
  /** Drawn over the frames. */
  declare attention: AttentionMap | undefined;
  /** Where the attention is to a clip of which this shows a part: the place in it of the first frame here. */
  declare place: number;

  #urls: string[] = [];

  constructor() {
    super();
    this.alt = "";
    this.cover = false;
    this.place = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.requestUpdate("medium");
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#release();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("medium") && !changed.has("cover")) return;
    this.#release();
    const { medium } = this;
    if (medium === undefined) return;
    const frames = this.cover ? [coverOf(medium)] : medium.frames;
    this.#urls = frames.map((frame) => URL.createObjectURL(frame));
  }

  override render() {
    const count = this.medium?.frames.length ?? 0;
    return html`
      <span class="frames" data-count=${this.#urls.length}>
        ${this.#urls.map(
          (url, i) => html`
            <span class="frame">
              <img src=${url} alt=${i === 0 ? this.alt : ""} @load=${tellRatio} />
              ${this.attention === undefined ? nothing : html`<canvas class="attention" aria-hidden="true"></canvas>`}
            </span>
          `,
        )}
      </span>
      ${count > 1 ? html`<span class="badge">${icon("clip")}${count} frames</span>` : nothing}
    `;
  }

  protected override updated(): void {
    const { attention } = this;
    if (attention === undefined) return;
    for (const [frame, canvas] of this.querySelectorAll("canvas").entries()) {
      drawAttention(canvas, attention, this.place + frame);
    }
  }

  #release(): void {
    for (const url of this.#urls) URL.revokeObjectURL(url);
    this.#urls = [];
  }
}

/** Tells the style sheet the shape of a picture, which only the picture knows. */
function tellRatio({ currentTarget }: Event): void {
  const image = currentTarget as HTMLImageElement;
  const ratio = image.naturalWidth / image.naturalHeight;
  image.parentElement?.style.setProperty("--ratio", String(ratio));
}

customElements.define("medium-picture", MediumPicture);
