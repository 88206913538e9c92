import type { DevicePreference } from "flamingo-web";
import { html } from "lit";
import { DEVICES } from "../settings.js";
import type { Actions, State } from "../state.js";

const NAMES: Record<DevicePreference, string> = { auto: "Auto", webgpu: "WebGPU", cpu: "CPU" };

/** The choice of where the model runs. */
export const devicePicker = ({ preference }: State, actions: Actions) => html`
  <fieldset class="devices">
    <legend class="visually-hidden">Run on</legend>
    ${DEVICES.map(
      (device) => html`
        <label>
          <input
            class="visually-hidden"
            type="radio"
            name="device"
            value=${device}
            .checked=${device === preference}
            @change=${() => actions.chooseDevice(device)}
          />
          <span>${NAMES[device]}</span>
        </label>
      `,
    )}
  </fieldset>
`;
