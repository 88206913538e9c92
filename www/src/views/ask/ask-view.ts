/** Questions about a photo or a clip, as a dialogue that keeps its turns. */

import type { AttentionMap } from "flamingo-web";
import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { ExampleSource } from "../../board/example-source.js";
import type { Medium } from "../../media/medium.js";
import { waitingFor } from "../../model/waiting.js";
import type { TokenEvent } from "../../parts/written-text.js";
import { queryMedium } from "../query-medium.js";
import { ViewElement } from "../view-element.js";
import { Dialogue, type Turn } from "./dialogue.js";
import "../../board/example-board.js";
import "../../parts/written-text.js";
import "./ask.css";

export class AskView extends ViewElement {
  readonly #source = new ExampleSource("ask", () => this.requestUpdate(), { asks: true });
  readonly #dialogue = new Dialogue(() => this.requestUpdate());
  #medium: Medium | undefined;
  #question = "";
  #attention: AttentionMap | undefined;

  override render() {
    const { turns } = this.#dialogue;
    return html`
      <header class="view-head">
        <h1>Ask about a photo</h1>
        <p>One question leads to the next: the model keeps the dialogue in mind.</p>
      </header>
      <div class="workbench">
        <section class="card stage" aria-labelledby="photo-title">
          <h2 id="photo-title">Your photo</h2>
          ${queryMedium(this.#medium, this.#attention, this.#choose)}
          <ol class="turns" aria-label="Dialogue">
            ${repeat(
              turns,
              ({ id }) => id,
              (turn, i) => this.#turn(turn, i),
            )}
          </ol>
          ${this.#form()}
        </section>
        <section class="card" aria-label="Examples">
          <example-board .source=${this.#source} .holder=${this.holder} .task=${"questions"}></example-board>
        </section>
      </div>
    `;
  }

  #turn({ medium, isNew, question, answer }: Turn, place: number) {
    return html`
      <li class="turn">
        ${
          isNew && place > 0
            ? html`<medium-picture .medium=${medium} .cover=${true} .alt=${`About ${medium.name}`}></medium-picture>`
            : nothing
        }
        <p class="question">${question}</p>
        <written-text
          .writing=${answer.writing}
          .name=${"Answer"}
          .brief=${true}
          @token=${({ detail }: TokenEvent) => {
            // The photo on show may be another one by now.
            this.#attention = medium === this.#medium ? detail?.attention : undefined;
            this.requestUpdate();
          }}
        ></written-text>
        ${
          answer.writing.phase === "stopped"
            ? html`<p class="hint">Stopped; the model does not remember this turn.</p>`
            : nothing
        }
      </li>
    `;
  }

  #form() {
    const missing = this.#missing();
    const { turns, isAnswering } = this.#dialogue;
    return html`
      <form class="asking" @submit=${this.#ask}>
        <input
          type="text"
          name="question"
          aria-label="Your question"
          placeholder=${turns.length === 0 ? "What is in the photo?" : "And the next question?"}
          autocomplete="off"
          .value=${this.#question}
          @input=${({ currentTarget }: Event) => {
            this.#question = (currentTarget as HTMLInputElement).value;
            this.requestUpdate();
          }}
        />
        ${
          isAnswering
            ? html`<button type="button" @click=${() => this.#dialogue.stop()}>Stop</button>`
            : html`<button type="submit" ?disabled=${missing !== ""}>Ask</button>`
        }
      </form>
      <div class="row">
        ${
          turns.length === 0
            ? nothing
            : html`<button type="button" class="quiet" @click=${() => this.#dialogue.clear()}>New dialogue</button>`
        }
        <p class="hint">${isAnswering ? "" : missing}</p>
      </div>
    `;
  }

  #missing(): string {
    if (this.#medium === undefined) return "Choose a photo first.";
    const lack = this.#source.lack || waitingFor(this.holder.state.loading);
    if (lack !== "") return lack;
    return this.#question.trim() === "" ? "Type a question." : "";
  }

  readonly #choose = (medium: Medium) => {
    this.#medium = medium;
    this.#attention = undefined;
    this.requestUpdate();
  };

  readonly #ask = (event: Event) => {
    event.preventDefault();
    const { model } = this.holder;
    if (model === undefined || this.#medium === undefined) return;
    if (this.#missing() !== "" || this.#dialogue.isAnswering) return;
    const question = this.#question.trim();
    this.#question = "";
    const examplesFor = (medium: Medium, signal: AbortSignal) =>
      this.#source.examplesFor(model, medium, signal);
    void this.#dialogue.ask(model, examplesFor, this.#medium, question);
  };
}

customElements.define("ask-view", AskView);
