/** A photo or a clip, captioned in the manner of examples. */

import { html } from "lit";
import { boardNamed } from "../../board/named-boards.js";
import type { MediaEvent } from "../../media/media-input.js";
import { type Medium, sourceOf } from "../../media/medium.js";
import { ExampleSession } from "../../model/example-session.js";
import type { ModelHolder } from "../../model/model-holder.js";
import { TextWriter } from "../../model/text-writer.js";
import { waitingFor } from "../../model/waiting.js";
import type { TokenEvent } from "../../parts/written-text.js";
import { ViewElement } from "../view-element.js";
import "../../board/example-board.js";
import "../../media/media-input.js";
import "../../parts/written-text.js";

/** Tokens shown for each place of the text. */
const ALTERNATIVES = 5;

export class CaptionView extends ViewElement {
  readonly #board = boardNamed("caption");
  readonly #session = new ExampleSession();
  readonly #writer = new TextWriter(() => this.requestUpdate());
  #medium: Medium | undefined;
  #chosen = -1;

  constructor(holder: ModelHolder) {
    super(holder);
    this.#board.subscribe(() => this.requestUpdate());
  }

  override render() {
    return html`
      <header class="view-head">
        <h1>Show it a few photos; it captions the next</h1>
        <p>Your examples set the tone. The model follows, in this tab and nowhere else.</p>
      </header>
      <div class="workbench">
        <section class="card stage" aria-labelledby="photo-title">
          <h2 id="photo-title">Your photo</h2>
          <media-input
            .label=${this.#medium === undefined ? "Choose a photo" : `Choose another photo than ${this.#medium.name}`}
            .medium=${this.#medium}
            @media=${this.#choose}
          ></media-input>
          ${this.#controls()}
          <written-text
            .writing=${this.#writer.writing}
            .chosen=${this.#chosen}
            @token=${({ detail }: TokenEvent) => {
              this.#chosen = detail;
              this.requestUpdate();
            }}
          ></written-text>
        </section>
        <section class="card" aria-label="Examples">
          <example-board .board=${this.#board}></example-board>
        </section>
      </div>
    `;
  }

  #controls() {
    const missing = this.#missing();
    return html`
      <div class="row">
        ${
          this.#writer.writing.phase === "writing"
            ? html`<button type="button" @click=${() => this.#writer.stop()}>Stop</button>`
            : html`<button type="button" ?disabled=${missing !== ""} @click=${this.#write}>Caption</button>`
        }
        <p class="hint">${missing}</p>
      </div>
    `;
  }

  /** What has to be there before the button does something; empty where nothing lacks. */
  #missing(): string {
    if (this.#medium === undefined) return "Choose a photo first.";
    if (this.#board.examples.some(({ text }) => text.trim() === "")) {
      return "Give every example its caption.";
    }
    return waitingFor(this.holder.state.loading);
  }

  readonly #choose = ({ detail: [medium] }: MediaEvent) => {
    this.#medium = medium;
    this.#chosen = -1;
    this.#writer.clear();
  };

  readonly #write = () => {
    const { model } = this.holder;
    const medium = this.#medium;
    if (model === undefined || medium === undefined) return;
    this.#chosen = -1;
    const session = this.#session.for(model, "caption", this.#board.examples);
    void this.#writer.write(model, (signal) =>
      session.caption(sourceOf(medium), { signal, alternatives: ALTERNATIVES }),
    );
  };
}

customElements.define("caption-view", CaptionView);
