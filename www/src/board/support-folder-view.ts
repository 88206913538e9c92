import { html, nothing } from "lit";
import { icon } from "../parts/icon.js";
import type { NewExample } from "./board.js";
import type { SupportFolder } from "./support-folder.js";
import "../media/medium-picture.js";

/** A folder in place of the board: how far it was looked through, and what the last query got. */
export const supportFolderView = (folder: SupportFolder, onClose: () => void) => {
  const { looked, total } = folder.looking;
  return html`
    <div class="board-head">
      <h2>Examples <small>from ${folder.name}</small></h2>
      <button type="button" class="quiet" @click=${onClose}>${icon("remove")}Back to the cards</button>
    </div>
    <p class="hint">
      Each query gets those of the ${total} pictures that look most like it. The folder is not kept
      for the next visit.
    </p>
    ${
      looked < total
        ? html`<label class="download">
            <span role="status">Looked at ${looked} of ${total}</span>
            <progress max=${total} value=${looked}></progress>
          </label>`
        : html`<p class="folder-state" role="status">All ${total} pictures were looked at.</p>`
    }
    <label class="count">
      <span>Examples for a query</span>
      <input
        type="number"
        min="1"
        max=${total}
        .value=${String(Math.min(folder.count, total))}
        @change=${({ currentTarget }: Event) => {
          const { valueAsNumber } = currentTarget as HTMLInputElement;
          if (valueAsNumber >= 1) folder.count = Math.min(Math.floor(valueAsNumber), total);
        }}
      />
    </label>
    ${
      folder.nearest.length === 0
        ? nothing
        : html`<h3>Chosen for the last query</h3>
            <ol class="examples nearest">${folder.nearest.map(nearestCard)}</ol>`
    }
  `;
};

const nearestCard = ({ medium, question, text }: NewExample) => html`
  <li class="example">
    <medium-picture .medium=${medium} .cover=${true} .alt=${medium.name}></medium-picture>
    <div class="texts">
      ${question === "" ? nothing : html`<p class="hint">${question}</p>`}
      <p>${text}</p>
    </div>
  </li>
`;
