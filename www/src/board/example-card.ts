import { html, nothing } from "lit";
import { icon } from "../parts/icon.js";
import { type Board, type Example, textNameOf } from "./board.js";
import "../media/medium-picture.js";

/** What a card is drawn from. */
export interface CardOptions {
  readonly board: Board;
  readonly example: Example;
  /** Its place, counted from 0. */
  readonly place: number;
  /** Moves the example and keeps the focus with it. */
  readonly onMove: (place: number) => void;
  readonly onRemove: () => void;
  readonly onDrag: (event: DragEvent) => void;
}

/** One example: picture, texts, and what can be done with it. */
export function exampleCard(options: CardOptions) {
  const { board, example, place, onMove, onRemove, onDrag } = options;
  const { asks } = board;
  const textName = textNameOf(board);
  const { id, medium, question, text } = example;
  const number = place + 1;
  const last = board.examples.length - 1;
  const edit = (field: "question" | "text") => (event: Event) =>
    board.edit(id, field, (event.currentTarget as HTMLTextAreaElement).value);
  const onKey = (event: KeyboardEvent) => {
    if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    onMove(event.key === "ArrowUp" ? place - 1 : place + 1);
  };
  return html`
    <li class="example" data-id=${id} @keydown=${onKey}>
      <span class="grip" draggable="true" title="Drag to another place" @dragstart=${onDrag}>
        <medium-picture
          .medium=${medium}
          .cover=${true}
          .alt=${`Example ${number}: ${medium.name}`}
        ></medium-picture>
        <span class="number" aria-hidden="true">${number}</span>
      </span>
      <div class="texts">
        ${
          asks
            ? html`<textarea
                class="question"
                aria-label="Question of example ${number}"
                placeholder="A question about it"
                rows="1"
                .value=${question}
                @input=${edit("question")}
              ></textarea>`
            : nothing
        }
        <textarea
          aria-label="${textName} of example ${number}"
          placeholder="Its ${textName.toLowerCase()}"
          rows=${asks ? 1 : 2}
          required
          .value=${text}
          @input=${edit("text")}
        ></textarea>
      </div>
      <div class="card-actions">
        ${action("up", `Move example ${number} up`, place === 0, () => onMove(place - 1))}
        ${action("down", `Move example ${number} down`, place === last, () => onMove(place + 1))}
        ${action("copy", `Duplicate example ${number}`, false, () => board.duplicate(id))}
        ${action("remove", `Remove example ${number}`, false, onRemove)}
      </div>
    </li>
  `;
}

const action = (
  name: "up" | "down" | "copy" | "remove",
  label: string,
  disabled: boolean,
  onClick: () => void,
) => html`
  <button
    type="button"
    class="icon-button"
    data-action=${name}
    title=${label}
    aria-label=${label}
    ?disabled=${disabled}
    @click=${onClick}
  >
    ${icon(name)}
  </button>
`;
