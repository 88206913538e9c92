import type { Caption, TokenPiece } from "flamingo-web";
import { html, nothing } from "lit";
import { duration, megabytes, percent } from "../format.js";
import type { Actions, State, Writing } from "../state.js";
import { errorMessage } from "./error-message.js";

/** The button, the caption as it comes, and how it was made. */
export const captionView = (state: State, actions: Actions) => html`
  <div class="ask">
    ${
      state.writing.phase === "writing"
        ? html`<button type="button" @click=${() => actions.stop()}>Stop</button>`
        : html`
            <button type="button" ?disabled=${missing(state) !== ""} @click=${() => actions.caption()}>
              Caption
            </button>
          `
    }
    <p class="hint">${missing(state)}</p>
  </div>
  <output
    class="caption"
    for="photo"
    data-phase=${state.writing.phase}
    aria-live="polite"
    aria-busy=${state.writing.phase === "writing"}
    >${text(state.writing)}</output
  >
  ${state.writing.phase === "failed" ? errorMessage(state.writing.error) : nothing}
  ${state.writing.phase === "done" ? figures(state.writing.caption, state.writing.heapBytes) : nothing}
  ${"pieces" in state.writing && state.writing.pieces.length > 0 ? tokens(state.writing.pieces) : nothing}
`;

/** What has to be there before the button does something; empty where nothing lacks. */
function missing({ photo, loading, examples }: State): string {
  if (photo === undefined) return "Choose a photo first.";
  if (examples.some(({ text }) => text.trim() === "")) return "Give every example its caption.";
  if (loading.phase === "failed") return "There is no model.";
  return loading.phase === "ready" ? "" : "The model is on its way.";
}

function text(writing: Writing): string {
  if (writing.phase === "done") return writing.caption.text;
  return "pieces" in writing ? writing.pieces.map((piece) => piece.text).join("") : "";
}

const figures = ({ timings, tokenIds }: Caption, heapBytes: number) => html`
  <dl class="figures">
    <div><dt>Looked</dt><dd>${duration(timings.encodeMs)}</dd></div>
    <div><dt>First token</dt><dd>${duration(timings.firstTokenMs)}</dd></div>
    <div><dt>Each token</dt><dd>${duration(timings.decodeMsPerToken)}</dd></div>
    <div><dt>Tokens</dt><dd>${tokenIds.length}</dd></div>
    <div><dt>Heap</dt><dd data-heap-bytes=${heapBytes}>${megabytes(heapBytes, 0)}</dd></div>
  </dl>
`;

const tokens = (pieces: readonly TokenPiece[]) => html`
  <details class="tokens">
    <summary>Tokens</summary>
    <ol>
      ${pieces.map(
        ({ id, text, logProbability }) => html`
          <li data-token-id=${id}><code>${text}</code> <small>${percent(logProbability)}</small></li>
        `,
      )}
    </ol>
  </details>
`;
