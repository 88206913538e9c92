/** A photo or a clip, captioned in the manner of examples. */

import type { AttentionMap } from "flamingo-web";
import { html, nothing } from "lit";
import { ExampleSource } from "../../board/example-source.js";
import { type Medium, sourceOf } from "../../media/medium.js";
import { ExampleSession } from "../../model/example-session.js";
import { TextWriter } from "../../model/text-writer.js";
import { waitingFor } from "../../model/waiting.js";
import { questionField, writeControls } from "../../parts/write-controls.js";
import { LOOKING, type TokenEvent } from "../../parts/written-text.js";
import { queryMedium } from "../query-medium.js";
import { ViewElement } from "../view-element.js";
import "../../board/example-board.js";
import "../../parts/written-text.js";

export class CaptionView extends ViewElement {
  readonly #source = new ExampleSource("caption", () => this.requestUpdate());
  readonly #session = new ExampleSession();
  readonly #writer = new TextWriter(() => this.requestUpdate());
  #medium: Medium | undefined;
  #question = "";
  #attention: AttentionMap | undefined;

  override render() {
    return html`
      <header class="view-head">
        <h1>Show it a few photos; it captions the next</h1>
        <p>Your examples set the tone. The model follows, in this tab and nowhere else.</p>
      </header>
      <div class="workbench">
        <section class="card stage" aria-labelledby="photo-title">
          <h2 id="photo-title">Your photo</h2>
          ${queryMedium(this.#medium, this.#attention, this.#choose)}
          ${this.#source.board.asks ? this.#questionField() : nothing}
          ${this.#controls()}
          <written-text
            .writing=${this.#writer.writing}
            .name=${this.#source.board.asks ? "Answer" : "Caption"}
            @token=${({ detail }: TokenEvent) => {
              this.#attention = detail?.attention;
              this.requestUpdate();
            }}
          ></written-text>
        </section>
        <section class="card" aria-label="Examples">
          <example-board .source=${this.#source} .holder=${this.holder}></example-board>
        </section>
      </div>
    `;
  }

  #questionField() {
    return questionField("photo", this.#question, (question) => {
      this.#question = question;
      this.requestUpdate();
    });
  }

  #controls() {
    const { asks } = this.#source.board;
    return writeControls(this.#writer, { asks, missing: this.#missing(), write: this.#write });
  }

  /** What has to be there before the button does something; empty where nothing lacks. */
  #missing(): string {
    if (this.#medium === undefined) return "Choose a photo first.";
    if (this.#source.board.asks && this.#question.trim() === "") return "Ask a question about it.";
    return this.#source.lack || waitingFor(this.holder.state.loading);
  }

  readonly #choose = (medium: Medium) => {
    this.#medium = medium;
    this.#writer.clear();
  };

  readonly #write = () => {
    const { model } = this.holder;
    const medium = this.#medium;
    if (model === undefined || medium === undefined) return;
    const { asks } = this.#source.board;
    const task = asks ? "visual-question" : "caption";
    const question = asks ? this.#question.trim() : "";
    void this.#writer.write(model, async (signal) => {
      const examples = await this.#source.examplesFor(model, medium, signal);
      const session = this.#session.for(model, task, examples);
      return session.ask(sourceOf(medium), question, { signal, ...LOOKING });
    });
  };
}

customElements.define("caption-view", CaptionView);
