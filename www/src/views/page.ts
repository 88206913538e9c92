import { html } from "lit";
import type { Actions, State } from "../state.js";
import { captionView } from "./caption.js";
import { devicePicker } from "./device-picker.js";
import { examplesView } from "./examples.js";
import { modelStatus } from "./model-status.js";
import { photoInput } from "./photo-input.js";

/** The whole page. */
export const page = (state: State, actions: Actions) => html`
  <header class="masthead">
    <img class="mark" src="./flamingo.svg" alt="" width="44" height="44" />
    <div>
      <h1>Flamingo</h1>
      <p>Show it a few photos with captions; it writes the next one. In this tab, and nowhere else.</p>
    </div>
    ${devicePicker(state, actions)}
  </header>
  ${modelStatus(state, actions)}
  <main>
    <section class="card" aria-labelledby="photo-title">
      <h2 id="photo-title">Your photo</h2>
      ${photoInput(state, actions)} ${captionView(state, actions)}
    </section>
    <section class="card" aria-labelledby="examples-title">
      <h2 id="examples-title">Examples <small>optional</small></h2>
      ${examplesView(state, actions)}
    </section>
  </main>
  <footer>
    <p>No photo leaves this page: the model runs here, and nothing is sent anywhere.</p>
    ${state.info && html`<p>Model: ${state.info.name} (${state.info.licence})</p>`}
  </footer>
`;
