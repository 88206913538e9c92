/** The examples that the model imitates: the board of cards, or the folder that stands in for it. */

import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { type Fault, faultOf } from "../errors.js";
import type { MediaEvent } from "../media/media-input.js";
import type { ModelHolder } from "../model/model-holder.js";
import { faultMessage } from "../parts/fault-message.js";
import { fileButton } from "../parts/file-button.js";
import { icon } from "../parts/icon.js";
import { LightElement } from "../parts/light-element.js";
import { saveFile } from "../parts/save-file.js";
import type { Example } from "./board.js";
import { exampleCard } from "./example-card.js";
import type { ExampleSource } from "./example-source.js";
import { fetchSet, SETS } from "./sets/sets.js";
import { supportFolderView } from "./support-folder-view.js";
import "../media/media-input.js";

export class ExampleBoard extends LightElement {
  static override properties = {
    source: { attribute: false },
    holder: { attribute: false },
    task: { attribute: false },
    said: { state: true },
  };

  declare source: ExampleSource;
  declare holder: ModelHolder;
  /** Whether the user chooses if examples ask a question, or all of them do. */
  declare task: "any" | "questions";
  /** What a screen reader is told of the last step. */
  declare private said: string;

  #dragged: number | undefined;
  /** The button that has the focus once the board is drawn anew. */
  #focus: { readonly id: number; readonly action: string } | undefined;
  #fault: Fault | undefined;
  #unsubscribe: () => void = () => {};

  constructor() {
    super();
    this.task = "any";
    this.said = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unsubscribe = this.source.board.subscribe(() => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unsubscribe();
  }

  override render() {
    const { folder } = this.source;
    return html`
      ${
        folder === undefined
          ? this.#cards()
          : supportFolderView(folder, () => {
              this.source.folder = undefined;
              this.requestUpdate();
            })
      }
      ${this.#fault === undefined ? nothing : faultMessage(this.#fault)}
      <p class="visually-hidden" role="status">${this.said}</p>
    `;
  }

  #cards() {
    const { board } = this.source;
    const { examples, undoable } = board;
    return html`
      <div class="board-head">
        <h2>Examples <small>${examples.length === 0 ? "optional" : examples.length}</small></h2>
        <div class="row tight">
          <button
            type="button"
            class="quiet"
            title=${undoable === undefined ? "Nothing to undo" : `Undo ${undoable}`}
            ?disabled=${undoable === undefined}
            @click=${() => board.undo()}
          >
            ${icon("undo")}Undo
          </button>
          <button
            type="button"
            class="quiet"
            ?disabled=${examples.length === 0}
            @click=${() => board.replace({ asks: board.asks, examples: [] })}
          >
            Clear
          </button>
        </div>
      </div>
      <p class="hint">The model imitates them: their words, their length, their manner.</p>
      ${board.isKept ? nothing : notKept}
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
          board.add(detail.map((medium) => ({ medium, question: "", text: "" })))}
      ></media-input>
      ${this.#sets()}
      <div class="row tight">
        ${fileButton("Import", { accept: ".json,application/json" }, ([file]) => {
          if (file !== undefined) this.#import(file);
        })}
        <button
          type="button"
          class="quiet"
          ?disabled=${examples.length === 0}
          @click=${this.#export}
        >
          Export
        </button>
        ${fileButton("From a folder", { folder: true }, (files) => this.#takeFolder(files))}
      </div>
    `;
  }

  #taskPicker() {
    const { board } = this.source;
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

  #sets() {
    const sets = SETS.filter(({ asks }) => asks || this.task === "any");
    return html`
      <details class="sets">
        <summary>Ready-made sets</summary>
        <ul>
          ${sets.map(
            (set) => html`
              <li>
                <button
                  type="button"
                  class="quiet"
                  @click=${() =>
                    this.#try(async () => this.source.board.replace(await fetchSet(set)))}
                >
                  <span>${set.title}</span><small>${set.teaches}</small>
                </button>
              </li>
            `,
          )}
        </ul>
      </details>
    `;
  }

  #card(example: Example, place: number) {
    const { board } = this.source;
    const { id } = example;
    return exampleCard({
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
    });
  }

  #import(file: File): void {
    void this.#try(async () => {
      const { readBoardFile } = await import("./board-file.js");
      this.source.board.replace(await readBoardFile(file));
    });
  }

  readonly #export = () =>
    this.#try(async () => {
      const { writeBoardFile } = await import("./board-file.js");
      saveFile("flamingo-examples.json", await writeBoardFile(this.source.board));
    });

  #takeFolder(files: readonly File[]): void {
    const [name = "Folder"] = files[0]?.webkitRelativePath.split("/") ?? [];
    void this.#try(async () => {
      const [{ readFolder }, { SupportFolder }] = await Promise.all([
        import("./read-folder.js"),
        import("./support-folder.js"),
      ]);
      const folder = new SupportFolder(name, await readFolder(files), () => this.requestUpdate());
      this.source.folder = folder;
      // Else the first query has it looked at.
      const { model } = this.holder;
      if (model !== undefined) await folder.look(model);
    });
  }

  async #try(step: () => Promise<void>): Promise<void> {
    this.#fault = undefined;
    this.requestUpdate();
    try {
      await step();
    } catch (error) {
      this.#fault = faultOf(error);
    }
    this.requestUpdate();
  }

  #move(id: number, to: number): void {
    const { board } = this.source;
    const count = board.examples.length;
    if (to < 0 || to >= count) return;
    const action = document.activeElement?.getAttribute("data-action");
    if (action !== null && action !== undefined) this.#focus = { id, action };
    board.move(id, to);
    this.said = `Moved to place ${to + 1} of ${count}`;
  }

  /** The card below the pointer is marked while another one is dragged over it. */
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
    const { examples } = this.source.board;
    const place = examples.findIndex(({ id }) => String(id) === over?.dataset.id);
    if (this.#dragged === undefined || place < 0) return;
    event.preventDefault();
    this.#move(this.#dragged, place);
  };

  readonly #dragEnd = () => {
    this.#dragged = undefined;
    for (const card of this.querySelectorAll(".example")) card.classList.remove("over");
  };

  #remove(id: number): void {
    const { board } = this.source;
    const place = board.examples.findIndex((example) => example.id === id);
    const next = board.examples[place + 1] ?? board.examples[place - 1];
    if (next !== undefined) this.#focus = { id: next.id, action: "remove" };
    board.remove(id);
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
}

/** That the examples are gone with the page, and what helps. */
const notKept = html`
  <p class="notice" data-code="board-not-kept">
    This browser does not keep your examples: the window is a private one, or its storage is off or
    full. Export them, and import the file next time.
  </p>
`;

customElements.define("example-board", ExampleBoard);
