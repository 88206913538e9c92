import type { DevicePreference, DeviceReport } from "flamingo-web";
import { html, nothing } from "lit";
import { megabytes, timeLeft } from "../format.js";
import type { Loading, ModelHolder, Notice } from "../model/model-holder.js";
import { faultMessage } from "../parts/fault-message.js";
import { DEVICES, rememberDevice } from "../settings.js";

const NAMES: Record<DevicePreference, string> = { auto: "Auto", webgpu: "WebGPU", cpu: "CPU" };

/** Where the model is: on its way, or on which device and why; and the choice of the device. */
export const modelBar = (holder: ModelHolder) => {
  const { loading, notices, device } = holder.state;
  return html`
    <section class="model-bar" aria-label="Model">
      <div class="status" data-phase=${loading.phase}>
        ${loading.phase === "failed" ? failure(loading, holder) : step(loading)}
        ${notices.map(noticeLine)}
        ${device === undefined || loading.phase === "failed" ? nothing : deviceLine(device)}
      </div>
      ${devicePicker(holder)}
    </section>
  `;
};

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
  <p class="device" data-device=${kind} data-adapter=${adapter}>${reason}</p>
`;

const failure = ({ error }: Extract<Loading, { phase: "failed" }>, holder: ModelHolder) => html`
  ${faultMessage(error)}
  <button type="button" class="quiet" @click=${() => holder.load()}>Try again</button>
`;

const devicePicker = (holder: ModelHolder) => html`
  <fieldset class="segments devices">
    <legend class="visually-hidden">Run on</legend>
    ${DEVICES.map(
      (device) => html`
        <label>
          <input
            class="visually-hidden"
            type="radio"
            name="device"
            value=${device}
            .checked=${device === holder.state.preference}
            @change=${() => {
              rememberDevice(device);
              holder.chooseDevice(device);
            }}
          />
          <span>${NAMES[device]}</span>
        </label>
      `,
    )}
  </fieldset>
`;
