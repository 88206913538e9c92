/** The board of examples that the model imitates. */

import { html, nothing, type PropertyValues } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { MediaEvent } from "../media/media-input.js";
import { icon } from "../parts/icon.js";
import { LightElement } from "../parts/light-element.js";
import { Board, type Example } from "./board.js";
import { exampleCard } from "./example-card.js";
import "../media/media-input.js";

export class ExampleBoard extends LightElement {
  static override properties = {
    board: { attribute: false },
    task: { attribute: false },
    said: { state: true },
  };

  declare board: Board;
  /** Whether the user chooses if examples ask a question, or all of them do. */
  declare task: "any" | "questions";
  /** What a screen reader is told of the last step. */
  declare private said: string;

  #dragged: number | undefined;
  /** The button that has the focus once the board is drawn anew. */
  #focus: { readonly id: number; readonly action: string } | undefined;
  #unsubscribe: () => void = () => {};

  constructor() {
    super();
    this.board = new Board();
    this.task = "any";
    this.said = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#subscribe();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unsubscribe();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("board")) this.#subscribe();
  }

  override render() {
    const { examples } = this.board;
    return html`
      <div class="board-head">
        <h2>Examples <small>${examples.length === 0 ? "optional" : examples.length}</small></h2>
        ${this.#tools()}
      </div>
      <p class="hint">The model imitates them: their words, their length, their manner.</p>
      ${this.task === "any" ? this.#taskPicker() : nothing}
      <ol class="examples" @dragover=${this.#dragOver} @drop=${this.#drop} @dragend=${this.#dragEnd}>
        ${repeat(
          examples,
          ({ id }) => id,
          (example, place) => this.#card(example, place),
        )}
      </ol>
      <media-input
        .label=${"Add example photos"}
        .invitation=${"Add examples"}
        .multiple=${true}
        .pasteFrom=${"example-board"}
        @media=${({ detail }: MediaEvent) =>
          this.board.add(detail.map((medium) => ({ medium, question: "", text: "" })))}
      ></media-input>
      <p class="visually-hidden" role="status">${this.said}</p>
    `;
  }

  #tools() {
    const { undoable } = this.board;
    if (undoable === undefined) return nothing;
    return html`
      <button type="button" class="quiet" title="Undo ${undoable}" @click=${() => this.board.undo()}>
        ${icon("undo")}Undo
      </button>
    `;
  }

  #taskPicker() {
    const { board } = this;
    return html`
      <fieldset class="segments">
        <legend class="visually-hidden">What the examples are</legend>
        ${[false, true].map(
          (asks) => html`
            <label>
              <input
                class="visually-hidden"
                type="radio"
                name="task"
                .checked=${board.asks === asks}
                @change=${() => board.setAsks(asks)}
              />
              <span>${asks ? "Questions and answers" : "Captions"}</span>
            </label>
          `,
        )}
      </fieldset>
    `;
  }

  #card(example: Example, place: number) {
    const { board } = this;
    const { id } = example;
    return html`${exampleCard({
      board,
      example,
      place,
      onMove: (to) => this.#move(id, to),
      onRemove: () => this.#remove(id),
      onDrag: (event) => {
        this.#dragged = id;
        // Firefox drags nothing that carries nothing.
        event.dataTransfer?.setData("text/plain", "");
      },
    })}`;
  }

  #move(id: number, to: number): void {
    const count = this.board.examples.length;
    if (to < 0 || to >= count) return;
    const action = document.activeElement?.getAttribute("data-action");
    if (action !== null && action !== undefined) this.#focus = { id, action };
    this.board.move(id, to);
    this.said = `Moved to place ${to + 1} of ${count}`;
  }

  /** Cards give way while one is dragged over them. */
  readonly #dragOver = (event: DragEvent) => {
    if (this.#dragged === undefined) return;
    event.preventDefault();
    const over = (event.target as Element).closest<HTMLElement>("[data-id]");
    for (const card of this.querySelectorAll(".example")) {
      card.classList.toggle("over", card === over);
    }
  };

  readonly #drop = (event: DragEvent) => {
    const over = (event.target as Element).closest<HTMLElement>("[data-id]");
    const place = this.board.examples.findIndex(({ id }) => String(id) === over?.dataset.id);
    if (this.#dragged === undefined || place < 0) return;
    event.preventDefault();
    this.#move(this.#dragged, place);
  };

  readonly #dragEnd = () => {
    this.#dragged = undefined;
    for (const card of this.querySelectorAll(".example")) card.classList.remove("over");
  };

  #remove(id: number): void {
    const { examples } = this.board;
    const place = examples.findIndex((example) => example.id === id);
    const next = examples[place + 1] ?? examples[place - 1];
    if (next !== undefined) this.#focus = { id: next.id, action: "remove" };
    this.board.remove(id);
    this.said = `Removed example ${place + 1}`;
  }

  protected override updated(): void {
    if (this.#focus === undefined) return;
    const { id, action } = this.#focus;
    this.#focus = undefined;
    const card = this.querySelector(`[data-id="${id}"]`);
    const button = card?.querySelector<HTMLElement>(`[data-action="${action}"]:enabled`);
    // At either end the button that was pressed can do no more.
    (button ?? card?.querySelector<HTMLElement>("[data-action]:enabled"))?.focus();
  }

  #subscribe(): void {
    this.#unsubscribe();
    this.#unsubscribe = this.board.subscribe(() => this.requestUpdate());
  }
}

customElements.define("example-board", ExampleBoard);
