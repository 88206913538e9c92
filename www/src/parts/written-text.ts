/** A text as it is written, token by token; each token is a button that shows what else could have come. */

import type { Alternative, TokenPiece } from "flamingo-web";
import { html, nothing } from "lit";
import { duration, megabytes, percent } from "../format.js";
import { textOf, type Writing } from "../model/text-writer.js";
import { faultMessage } from "./fault-message.js";
import { LightElement } from "./light-element.js";

/** Tells which token was chosen; `undefined` where none is any more. */
export type TokenEvent = CustomEvent<TokenPiece | undefined>;

/** What a text is written with so that its tokens have something to show. */
export const LOOKING = { alternatives: 5, attention: true } as const;

export class WrittenText extends LightElement {
  static override properties = {
    writing: { attribute: false },
    name: { attribute: false },
    brief: { attribute: false },
  };

  declare writing: Writing;
  /** What the text is, for screen readers. */
  declare name: string;
  /** Leave out how it was made. */
  declare brief: boolean;

  /** Place of the chosen token; -1 where none is. */
  #chosen = -1;

  constructor() {
    super();
    this.writing = { phase: "none" };
    this.name = "Caption";
    this.brief = false;
  }

  protected override willUpdate(): void {
    const { writing } = this;
    const isNew = !("pieces" in writing) || writing.pieces.length === 0;
    if (isNew && this.#chosen !== -1) this.#choose(-1);
  }

  override render() {
    const { writing } = this;
    const pieces = "pieces" in writing ? writing.pieces : [];
    const piece = pieces[this.#chosen];
    return html`
      <output
        class="visually-hidden"
        aria-label=${this.name}
        aria-live="polite"
        data-phase=${writing.phase}
        aria-busy=${writing.phase === "writing"}
        >${textOf(writing)}</output
      >
      ${
        pieces.length > 0
          ? html`<ol class="tokens" aria-label="Tokens" data-phase=${writing.phase}>
              ${pieces.map((piece, place) => this.#token(piece, place))}
            </ol>`
          : nothing
      }
      ${writing.phase === "failed" ? faultMessage(writing.error) : nothing}
      ${piece === undefined ? this.#invitation(pieces) : alternatives(piece)}
      ${writing.phase === "done" && !this.brief ? figures(writing) : nothing}
    `;
  }

  /** Space in front of a word stays outside of its button, so that lines break there. */
  #token({ id, text, logProbability }: TokenPiece, place: number) {
    const [space] = /^\s*/.exec(text) ?? [""];
    const word = text.slice(space.length);
    const chosen = place === this.#chosen;
    return html`<li data-token-id=${id}>${space === "" ? "" : " "}${
      word === ""
        ? nothing
        : html`<button
            type="button"
            class="token"
            data-sure=${sureness(logProbability)}
            aria-pressed=${chosen}
            title=${percent(logProbability)}
            @click=${() => this.#choose(chosen ? -1 : place)}
          >${word}</button>`
    }</li>`;
  }

  #invitation(pieces: readonly TokenPiece[]) {
    if (this.writing.phase !== "done" || this.brief || pieces.length === 0) return nothing;
    return html`<p class="hint">Tap a word to see what else could have come.</p>`;
  }

  #choose(place: number): void {
    this.#chosen = place;
    this.requestUpdate();
    const detail = "pieces" in this.writing ? this.writing.pieces[place] : undefined;
    this.dispatchEvent(new CustomEvent("token", { detail }));
  }
}

/** How sure the model was, in four steps. */
function sureness(logProbability: number): number {
  return Math.min(3, Math.floor(Math.exp(logProbability) * 4));
}

const alternatives = ({ id, alternatives }: TokenPiece) => html`
  <table class="alternatives">
    <caption class="visually-hidden">What could have come here</caption>
    <tbody>
      ${alternatives.map((alternative) => alternativeRow(alternative, alternative.id === id))}
    </tbody>
  </table>
`;

const alternativeRow = ({ text, logProbability }: Alternative, taken: boolean) => html`
  <tr class=${taken ? "taken" : ""}>
    <th scope="row">${named(text)}</th>
    <td><meter max="1" value=${Math.exp(logProbability)} aria-label="Probability">${percent(logProbability)}</meter></td>
    <td class="figures">${percent(logProbability)}</td>
  </tr>
`;

/** White space and the end of the text have no letters of their own. */
function named(text: string): string {
  if (text === "") return "end";
  return text.trim() || "space";
}

const figures = ({ caption, heapBytes }: Extract<Writing, { phase: "done" }>) => html`
  <dl class="figures">
    <div><dt>Looked</dt><dd>${duration(caption.timings.encodeMs)}</dd></div>
    <div><dt>First token</dt><dd>${duration(caption.timings.firstTokenMs)}</dd></div>
    <div><dt>Each token</dt><dd>${duration(caption.timings.decodeMsPerToken)}</dd></div>
    <div><dt>Tokens</dt><dd>${caption.tokenIds.length}</dd></div>
    <div><dt>Heap</dt><dd data-heap-bytes=${heapBytes}>${megabytes(heapBytes, 0)}</dd></div>
  </dl>
`;

customElements.define("written-text", WrittenText);
