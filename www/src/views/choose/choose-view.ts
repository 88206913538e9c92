/** Given answers, and how likely the model finds each. */

import { type Choice, type ChoiceParts, DisposedError } from "flamingo-web";
import { html, nothing } from "lit";
import { ExampleSource } from "../../board/example-source.js";
import { type Fault, faultOf } from "../../errors.js";
import { percentage } from "../../format.js";
import { type Medium, sourceOf } from "../../media/medium.js";
import { ExampleSession } from "../../model/example-session.js";
import { waitingFor } from "../../model/waiting.js";
import { faultMessage } from "../../parts/fault-message.js";
import { icon } from "../../parts/icon.js";
import { queryMedium } from "../query-medium.js";
import { ViewElement } from "../view-element.js";
import "../../board/example-board.js";
import "./choose.css";

/** Fewer leave no choice. */
const FEWEST = 2;

type Choosing =
  | { readonly phase: "none" }
  | { readonly phase: "choosing" }
  | { readonly phase: "done"; readonly choices: readonly Choice[] }
  | { readonly phase: "failed"; readonly error: Fault };

export class ChooseView extends ViewElement {
  readonly #source = new ExampleSource("choose", () => this.requestUpdate());
  readonly #session = new ExampleSession();
  #medium: Medium | undefined;
  #question = "";
  #texts: readonly string[] = ["", ""];
  #calibrated = false;
  #choosing: Choosing = { phase: "none" };
  #run = new AbortController();

  override render() {
    return html`
      <header class="view-head">
        <h1>Let it choose</h1>
        <p>Give a photo and some answers; the model says how likely it finds each of them.</p>
      </header>
      <div class="workbench">
        <section class="card stage" aria-labelledby="photo-title">
          <h2 id="photo-title">Your photo</h2>
          ${queryMedium(this.#medium, undefined, (medium) => {
            this.#medium = medium;
            this.#forget();
          })}
          ${this.#form()}
          ${this.#choosing.phase === "failed" ? faultMessage(this.#choosing.error) : nothing}
          <p class="visually-hidden" role="status">${this.#spoken()}</p>
        </section>
        <section class="card" aria-label="Examples">
          <example-board .source=${this.#source} .holder=${this.holder}></example-board>
        </section>
      </div>
    `;
  }

  #form() {
    const missing = this.#missing();
    return html`
      <form class="choosing" @submit=${this.#choose}>
        ${
          this.#source.board.asks
            ? html`<input
                type="text"
                aria-label="Question about the photo"
                placeholder="A question about the photo"
                .value=${this.#question}
                @input=${({ currentTarget }: Event) => {
                  this.#question = (currentTarget as HTMLInputElement).value;
                  this.#forget();
                }}
              />`
            : nothing
        }
        <ol class="choices" data-phase=${this.#choosing.phase}>
          ${this.#texts.map((text, place) => this.#row(text, place))}
        </ol>
        <div class="row">
          <button type="button" class="quiet" @click=${() => this.#setTexts([...this.#texts, ""])}>
            Add an answer
          </button>
          <label class="check">
            <input
              type="checkbox"
              .checked=${this.#calibrated}
              @change=${({ currentTarget }: Event) => {
                this.#calibrated = (currentTarget as HTMLInputElement).checked;
                this.#forget();
              }}
            />
            <span>Take away what each scores without a photo</span>
          </label>
        </div>
        <div class="row">
          ${
            this.#choosing.phase === "choosing"
              ? html`<button type="button" @click=${() => this.#forget()}>Stop</button>`
              : html`<button type="submit" ?disabled=${missing !== ""}>Choose</button>`
          }
          <p class="hint">${missing}</p>
        </div>
      </form>
    `;
  }

  #row(text: string, place: number) {
    const { phase } = this.#choosing;
    const choices = phase === "done" ? this.#choosing.choices : [];
    const { probability, parts } = choices[place] ?? {};
    const best = probability !== undefined && probability === highest(choices);
    return html`
      <li class=${best ? "choice best" : "choice"}>
        <input
          type="text"
          aria-label="Answer ${place + 1}"
          placeholder=${place === 0 ? "a dog" : "a cat"}
          .value=${text}
          @input=${({ currentTarget }: Event) =>
            this.#setTexts(this.#texts.with(place, (currentTarget as HTMLInputElement).value))}
        />
        <button
          type="button"
          class="icon-button"
          aria-label="Remove answer ${place + 1}"
          title="Remove"
          ?disabled=${this.#texts.length <= FEWEST}
          @click=${() => this.#setTexts(this.#texts.filter((_, i) => i !== place))}
        >
          ${icon("remove")}
        </button>
        <meter max="1" value=${probability ?? 0} aria-label="Probability of answer ${place + 1}"></meter>
        <span class="probability" title=${parts === undefined ? nothing : partsOf(parts)}>${probability === undefined ? "–" : percentage(probability)}</span>
      </li>
    `;
  }

  #missing(): string {
    if (this.#medium === undefined) return "Choose a photo first.";
    if (this.#source.board.asks && this.#question.trim() === "") return "Ask a question about it.";
    if (this.#texts.some((text) => text.trim() === "")) return "Write every answer.";
    return this.#source.lack || waitingFor(this.holder.state.loading);
  }

  #spoken(): string {
    if (this.#choosing.phase !== "done") return "";
    const { choices } = this.#choosing;
    const best = choices.find(({ probability }) => probability === highest(choices));
    return best === undefined ? "" : `${best.text}: ${percentage(best.probability)}`;
  }

  #setTexts(texts: readonly string[]): void {
    this.#texts = texts;
    this.#forget();
  }

  /** What was found holds for what was asked only. */
  #forget(): void {
    this.#run.abort();
    this.#choosing = { phase: "none" };
    this.requestUpdate();
  }

  readonly #choose = async (event: Event) => {
    event.preventDefault();
    const { model } = this.holder;
    const medium = this.#medium;
    if (model === undefined || medium === undefined || this.#missing() !== "") return;
    this.#forget();
    this.#run = new AbortController();
    const { signal } = this.#run;
    this.#choosing = { phase: "choosing" };
    const { asks } = this.#source.board;
    const texts = this.#texts.map((text) => text.trim());
    let choosing: Choosing;
    try {
      const examples = await this.#source.examplesFor(model, medium, signal);
      const session = this.#session.for(model, asks ? "visual-question" : "caption", examples);
      const choices = await session.choose(sourceOf(medium), texts, {
        question: asks ? this.#question.trim() : "",
        calibrated: this.#calibrated,
        signal,
      });
      choosing = { phase: "done", choices };
    } catch (error) {
      // The user took another device or model: nothing failed.
      const wasTaken = error instanceof DisposedError;
      choosing = wasTaken ? { phase: "none" } : { phase: "failed", error: faultOf(error) };
    }
    if (signal.aborted) return;
    this.#choosing = choosing;
    this.requestUpdate();
  };
}

function partsOf({ likelihood, vote }: ChoiceParts): string {
  return `${percentage(likelihood)} by the model's words, ${percentage(vote)} by what the examples look like`;
}

function highest(choices: readonly Choice[]): number {
  return Math.max(...choices.map(({ probability }) => probability));
}

customElements.define("choose-view", ChooseView);
