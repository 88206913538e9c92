/** What views that write about one picture or clip have below it: a question, and the button. */

import { html, type TemplateResult } from "lit";
import type { TextWriter } from "../model/text-writer.js";

/** A field for a question about `what`: a photo, a clip. */
export function questionField(
  what: string,
  question: string,
  change: (question: string) => void,
): TemplateResult {
  return html`
    <input
      type="text"
      aria-label="Question about the ${what}"
      placeholder="A question about the ${what}"
      .value=${question}
      @input=${({ currentTarget }: Event) => change((currentTarget as HTMLInputElement).value)}
    />
  `;
}

/** The button that writes, or stops what is being written; `missing` says what it still needs. */
export function writeControls(
  writer: TextWriter,
  { asks, missing, write }: { asks: boolean; missing: string; write: () => void },
): TemplateResult {
  return html`
    <div class="row">
      ${
        writer.writing.phase === "writing"
          ? html`<button type="button" @click=${() => writer.stop()}>Stop</button>`
          : html`<button type="button" ?disabled=${missing !== ""} @click=${write}>
              ${asks ? "Answer" : "Caption"}
            </button>`
      }
      <p class="hint">${missing}</p>
    </div>
  `;
}
