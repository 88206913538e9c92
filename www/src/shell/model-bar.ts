import type { DevicePreference, DeviceReport } from "flamingo-web";
import { html, nothing } from "lit";
import { type Loading, loadingLine } from "../model/loading.js";
import type { ModelHolder, Notice } from "../model/model-holder.js";
import { faultMessage } from "../parts/fault-message.js";
import { icon } from "../parts/icon.js";
import { DEVICES, rememberDevice } from "../settings.js";

const NAMES: Record<DevicePreference, string> = { auto: "Auto", webgpu: "WebGPU", cpu: "CPU" };

/**
 * Where the model is: on its way, or on which device and why; and the choice of the device. It is
 * as high in every phase, so that the view below stays where it is: why a device was taken is long
 * and unfolds over the view. Only failures and warnings, which are to be seen, make room.
 */
export const modelBar = (holder: ModelHolder) => {
  const { loading, notices, device } = holder.state;
  const failed = loading.phase === "failed";
  return html`
    <section class="model-bar" aria-label="Model">
      <div class="status" data-phase=${loading.phase}>
        ${failed ? failure(loading, holder) : step(loading)} ${notices.map(noticeLine)}
      </div>
      <div class="device-row">
        ${device === undefined || failed ? nothing : deviceDetails(device)} ${devicePicker(holder)}
      </div>
    </section>
  `;
};

/** The words alone are read out: figures change too often, and the bar tells them to who asks. */
function step(loading: Exclude<Loading, { phase: "failed" }>) {
  const { words, object, figures, left, amount } = loadingLine(loading);
  return html`
    <p class="step">
      <span role="status">${words} <span class="object">${object}</span></span>
      <span class="figures">${figures}</span>
      <span class="left">${left}</span>
    </p>
    ${
      amount === undefined
        ? html`<div class="track" ?hidden=${loading.phase === "ready"}></div>`
        : html`<progress
            class="track"
            aria-label=${words}
            max=${amount.total}
            value=${amount.done}
          ></progress>`
    }
  `;
}

const noticeLine = ({ code, message }: Notice) => html`
  <p class="notice" data-code=${code}>${message}</p>
`;

/** Which device it is; unfolded, why. It folds up again when the user is elsewhere or presses Escape. */
const deviceDetails = ({ kind, adapter, reason }: DeviceReport) => html`
  <details
    class="device-details"
    @focusout=${({ currentTarget, relatedTarget }: FocusEvent) => {
      const details = currentTarget as HTMLDetailsElement;
      if (!details.contains(relatedTarget as Node | null)) details.open = false;
    }}
    @keydown=${({ currentTarget, key }: KeyboardEvent) => {
      if (key !== "Escape") return;
      const details = currentTarget as HTMLDetailsElement;
      details.open = false;
      details.querySelector("summary")?.focus();
    }}
  >
    <summary>On ${kind === "cpu" ? "the CPU" : "WebGPU"} ${icon("down")}</summary>
    <div class="device-panel" tabindex="-1">
      <p class="device" data-device=${kind} data-adapter=${adapter}>${reason}</p>
      <p><a href="#/models">All about this device</a></p>
    </div>
  </details>
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
