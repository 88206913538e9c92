/** Fields clicked together, and what the model fills in for a photo. */

import { type Decision, type DecisionLeaf, DisposedError, type Session } from "flamingo-web";
import { html, nothing } from "lit";
import { type Fault, faultOf } from "../../errors.js";
import { percentage } from "../../format.js";
import { type Medium, sourceOf } from "../../media/medium.js";
import { ExampleSession } from "../../model/example-session.js";
import { waitingFor } from "../../model/waiting.js";
import { faultMessage } from "../../parts/fault-message.js";
import { icon } from "../../parts/icon.js";
import { queryMedium } from "../query-medium.js";
import { ViewElement } from "../view-element.js";
import { EMPTY, type Field, KINDS, type Kind, lackOf, schemaOf } from "./fields.js";
import "./decide.css";

type Deciding =
  | { readonly phase: "none" }
  | { readonly phase: "deciding" }
  | { readonly phase: "done"; readonly decision: Decision }
  | { readonly phase: "failed"; readonly error: Fault };

export class DecideView extends ViewElement {
  readonly #session = new ExampleSession();
  #medium: Medium | undefined;
  #fields: readonly Field[] = [EMPTY];
  #deciding: Deciding = { phase: "none" };
  #run = new AbortController();

  override render() {
    return html`
      <header class="view-head">
        <h1>Fill in fields</h1>
        <p>Say what you want to know of a photo, field by field; the model fills them in.</p>
      </header>
      <div class="workbench">
        <section class="card stage" aria-labelledby="photo-title">
          <h2 id="photo-title">Your photo</h2>
          ${queryMedium(this.#medium, undefined, (medium) => {
            this.#medium = medium;
            this.#forget();
          })}
          ${this.#deciding.phase === "failed" ? faultMessage(this.#deciding.error) : nothing}
          ${this.#result()}
        </section>
        <section class="card" aria-labelledby="fields-title">
          <h2 id="fields-title">Fields</h2>
          ${this.#form()}
        </section>
      </div>
    `;
  }

  #form() {
    const missing = this.#missing();
    return html`
      <form class="deciding" @submit=${this.#decide}>
        <ol class="fields">
          ${this.#fields.map((field, place) => this.#field(field, place))}
        </ol>
        <button type="button" class="quiet" @click=${() => this.#setFields([...this.#fields, EMPTY])}>
          Add a field
        </button>
        <div class="row">
          ${
            this.#deciding.phase === "deciding"
              ? html`<button type="button" @click=${() => this.#forget()}>Stop</button>`
              : html`<button type="submit" ?disabled=${missing !== ""}>Fill in</button>`
          }
          <p class="hint">${missing}</p>
        </div>
        <details>
          <summary>JSON schema</summary>
          <pre class="schema">${JSON.stringify(schemaOf(this.#fields), null, 2)}</pre>
        </details>
      </form>
    `;
  }

  #field(field: Field, place: number) {
    const set = (change: Partial<Field>) =>
      this.#setFields(this.#fields.with(place, { ...field, ...change }));
    const number = place + 1;
    return html`
      <li class="field">
        <input
          type="text"
          aria-label="Name of field ${number}"
          placeholder=${place === 0 ? "a dog in the photo" : "number of people"}
          .value=${field.name}
          @input=${({ currentTarget }: Event) =>
            set({ name: (currentTarget as HTMLInputElement).value })}
        />
        <button
          type="button"
          class="icon-button"
          aria-label="Remove field ${number}"
          title="Remove"
          ?disabled=${this.#fields.length === 1}
          @click=${() => this.#setFields(this.#fields.filter((_, i) => i !== place))}
        >
          ${icon("remove")}
        </button>
        <select
          aria-label="Kind of field ${number}"
          @change=${({ currentTarget }: Event) =>
            set({ kind: (currentTarget as HTMLSelectElement).value as Kind })}
        >
          ${KINDS.map(
            ([kind, name]) =>
              html`<option value=${kind} ?selected=${kind === field.kind}>${name}</option>`,
          )}
        </select>
        ${
          field.kind === "choice"
            ? html`<input
                type="text"
                aria-label="Values of field ${number}"
                placeholder="street, beach, field"
                .value=${field.values}
                @input=${({ currentTarget }: Event) =>
                  set({ values: (currentTarget as HTMLInputElement).value })}
              />`
            : nothing
        }
        ${
          field.kind === "integer"
            ? html`<label class="most">
                up to
                <input
                  type="number"
                  min="1"
                  max="100"
                  .value=${`${field.most}`}
                  @change=${({ currentTarget }: Event) => {
                    const { valueAsNumber, validity } = currentTarget as HTMLInputElement;
                    set({ most: validity.valid ? valueAsNumber : field.most });
                  }}
                />
              </label>`
            : nothing
        }
      </li>
    `;
  }

  #result() {
    if (this.#deciding.phase !== "done") return nothing;
    const { leaves } = this.#deciding.decision;
    return html`
      <div role="status">
        <ul class="decision" aria-label="Filled in">
          ${leaves.map((leaf) => this.#leaf(leaf))}
        </ul>
      </div>
    `;
  }

  #leaf({ path, value, probability }: DecisionLeaf) {
    // A field is a part of the object, and its name may have the signs that pointers escape.
    const name = path.slice(1).replaceAll("~1", "/").replaceAll("~0", "~");
    return html`
      <li>
        <span class="field-name">${name}</span>
        <output>${value === true ? "yes" : value === false ? "no" : `${value}`}</output>
        <meter max="1" value=${probability} aria-label="Probability of ${name}"></meter>
        <span class="probability">${percentage(probability)}</span>
      </li>
    `;
  }

  #missing(): string {
    if (this.#medium === undefined) return "Choose a photo first.";
    return lackOf(this.#fields) || waitingFor(this.holder.state.loading);
  }

  #setFields(fields: readonly Field[]): void {
    this.#fields = fields;
    this.#forget();
  }

  /** Forgets the answer, which holds for these fields and this photo only. */
  #forget(): void {
    this.#run.abort();
    this.#deciding = { phase: "none" };
    this.requestUpdate();
  }

  readonly #decide = async (event: Event) => {
    event.preventDefault();
    const { model } = this.holder;
    const medium = this.#medium;
    if (model === undefined || medium === undefined || this.#missing() !== "") return;
    this.#forget();
    this.#run = new AbortController();
    const { signal } = this.#run;
    this.#deciding = { phase: "deciding" };
    const session = this.#session.for(model, "visual-question", NO_EXAMPLES);
    const deciding = await outcomeOf(session, medium, this.#fields, signal);
    if (signal.aborted) return;
    this.#deciding = deciding;
    this.requestUpdate();
  };
}

/** Always the same list, so that the session stays the same. */
const NO_EXAMPLES: readonly [] = [];

async function outcomeOf(
  session: Session,
  medium: Medium,
  fields: readonly Field[],
  signal: AbortSignal,
): Promise<Deciding> {
  try {
    const decision = await session.decide(sourceOf(medium), schemaOf(fields), { signal });
    return { phase: "done", decision };
  } catch (error) {
    // The user took another device or model: nothing failed.
    if (error instanceof DisposedError) return { phase: "none" };
    return { phase: "failed", error: faultOf(error) };
  }
}

customElements.define("decide-view", DecideView);
