import type { DeviceReport } from "flamingo-web";
import { html, nothing } from "lit";
import { megabytes, timeLeft } from "../format.js";
import type { Actions, Loading, Notice, State } from "../state.js";
import { errorMessage } from "./error-message.js";

/** Where the model is: on its way, or on which device and why. */
export const modelStatus = ({ loading, notices, device }: State, actions: Actions) => html`
  <div class="status" data-phase=${loading.phase}>
    ${loading.phase === "failed" ? failure(loading, actions) : step(loading)}
    ${notices.map(noticeLine)}
    ${device === undefined || loading.phase === "failed" ? nothing : deviceLine(device)}
  </div>
`;

function step(loading: Exclude<Loading, { phase: "failed" }>) {
  switch (loading.phase) {
    case "starting":
      return html`<p role="status">Looking for the model …</p>`;
    case "downloading":
      return html`
        <label class="download">
          <span>
            Downloading the model:
            <span class="figures">${megabytes(loading.loaded)} of ${megabytes(loading.total)}</span>
            ${loading.remainingMs === undefined ? nothing : timeLeft(loading.remainingMs)}
          </span>
          <progress max=${loading.total} value=${loading.loaded}></progress>
        </label>
      `;
    case "building":
      return html`<p role="status">Making the model ready …</p>`;
    case "ready":
      return html`<p class="visually-hidden" role="status">The model is ready.</p>`;
  }
}

const noticeLine = ({ code, message }: Notice) => html`
  <p class="notice" data-code=${code}>${message}</p>
`;

const deviceLine = ({ kind, adapter, reason }: DeviceReport) => html`
  <p class="device" data-device=${kind} data-adapter=${adapter}>
    ${reason}
  </p>
`;

const failure = ({ error }: Extract<Loading, { phase: "failed" }>, actions: Actions) => html`
  ${errorMessage(error)}
  <button type="button" class="quiet" @click=${() => actions.retry()}>Try again</button>
`;
