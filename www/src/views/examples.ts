import { html } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { Actions, Example, State } from "../state.js";
import { fileDrop } from "./file-drop.js";

/** The examples the model reads before the photo. */
export const examplesView = ({ examples }: State, actions: Actions) => html`
  <p class="hint">The model imitates them: their words, their length, their manner.</p>
  <ol class="examples">
    ${repeat(
      examples,
      ({ id }) => id,
      (example, index) => exampleCard(example, index + 1, actions),
    )}
  </ol>
  ${fileDrop({
    id: "add-examples",
    label: "Add example photos",
    multiple: true,
    content: html`<span class="invitation"><strong>Add examples</strong><span>one photo or several</span></span>`,
    onFiles: (files) => actions.addExamples(files),
  })}
`;

function exampleCard({ id, photo, text }: Example, number: number, actions: Actions) {
  const onInput = ({ currentTarget }: Event) =>
    actions.describeExample(id, (currentTarget as HTMLTextAreaElement).value);
  return html`
    <li class="example">
      <img src=${photo.url} alt="Example ${number}: ${photo.file.name}" />
      <textarea
        aria-label="Caption of example ${number}"
        placeholder="Its caption"
        rows="2"
        required
        .value=${text}
        @input=${onInput}
      ></textarea>
      <button
        type="button"
        class="quiet"
        title="Remove"
        aria-label="Remove example ${number}"
        @click=${() => actions.removeExample(id)}
      >
        ×
      </button>
    </li>
  `;
}
