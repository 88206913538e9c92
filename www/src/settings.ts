/** What the page's address chooses: `?device=` and `?model=`. */

import type { DevicePreference } from "flamingo-web";

/** Where the default model lies, seen from the page. */
const DEFAULT_MODEL = "models/flamingo-smollm2-135m/model.json";

/** The devices one can choose, in the order they are offered. */
export const DEVICES: readonly DevicePreference[] = ["auto", "webgpu", "cpu"];

export interface Settings {
  readonly device: DevicePreference;
  /** Address of a `model.json`, relative to the page. */
  readonly model: string;
}

export function readSettings(query: URLSearchParams): Settings {
  const device = DEVICES.find((name) => name === query.get("device")) ?? "auto";
  return { device, model: query.get("model") ?? DEFAULT_MODEL };
}

/** Keeps the chosen device in the address, so that a reload or a copied link has it. */
export function rememberDevice(device: DevicePreference): void {
  const url = new URL(location.href);
  if (device === "auto") url.searchParams.delete("device");
  else url.searchParams.set("device", device);
  history.replaceState(null, "", url);
}
