/** A photo or a clip, captioned in the manner of examples. */

import { html, nothing } from "lit";
import { lackOf } from "../../board/board.js";
import { boardNamed } from "../../board/named-boards.js";
import { type Medium, sourceOf } from "../../media/medium.js";
import { ExampleSession } from "../../model/example-session.js";
import type { ModelHolder } from "../../model/model-holder.js";
import { TextWriter } from "../../model/text-writer.js";
import { waitingFor } from "../../model/waiting.js";
import { ALTERNATIVES } from "../../parts/written-text.js";
import { queryMedium } from "../query-medium.js";
import { ViewElement } from "../view-element.js";
import "../../board/example-board.js";
import "../../parts/written-text.js";

export class CaptionView extends ViewElement {
  readonly #board = boardNamed("caption");
  readonly #session = new ExampleSession();
  readonly #writer = new TextWriter(() => this.requestUpdate());
  #medium: Medium | undefined;
  #question = "";

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
          ${queryMedium(this.#medium, undefined, this.#choose)}
          ${this.#board.asks ? this.#questionField() : nothing}
          ${this.#controls()}
          <written-text
            .writing=${this.#writer.writing}
            .name=${this.#board.asks ? "Answer" : "Caption"}
          ></written-text>
        </section>
        <section class="card" aria-label="Examples">
          <example-board .board=${this.#board}></example-board>
        </section>
      </div>
    `;
  }

  #questionField() {
    return html`
      <input
        type="text"
        aria-label="Question about the photo"
        placeholder="A question about the photo"
        .value=${this.#question}
        @input=${({ currentTarget }: Event) => {
          this.#question = (currentTarget as HTMLInputElement).value;
          this.requestUpdate();
        }}
      />
    `;
  }

  #controls() {
    const missing = this.#missing();
    return html`
      <div class="row">
        ${
          this.#writer.writing.phase === "writing"
            ? html`<button type="button" @click=${() => this.#writer.stop()}>Stop</button>`
            : html`<button type="button" ?disabled=${missing !== ""} @click=${this.#write}>
                ${this.#board.asks ? "Answer" : "Caption"}
              </button>`
        }
        <p class="hint">${missing}</p>
      </div>
    `;
  }

  /** What has to be there before the button does something; empty where nothing lacks. */
  #missing(): string {
    if (this.#medium === undefined) return "Choose a photo first.";
    if (this.#board.asks && this.#question.trim() === "") return "Ask a question about it.";
    return lackOf(this.#board) || waitingFor(this.holder.state.loading);
  }

  readonly #choose = (medium: Medium) => {
    this.#medium = medium;
    this.#writer.clear();
  };

  readonly #write = () => {
    const { model } = this.holder;
    const medium = this.#medium;
    if (model === undefined || medium === undefined) return;
    const { asks, examples } = this.#board;
    const session = this.#session.for(model, asks ? "visual-question" : "caption", examples);
    void this.#writer.write(model, (signal) =>
      session.ask(sourceOf(medium), asks ? this.#question.trim() : "", {
        signal,
        alternatives: ALTERNATIVES,
      }),
    );
  };
}

customElements.define("caption-view", CaptionView);
