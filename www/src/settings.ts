/** What the page's address chooses: `?device=` and `?model=`. */

import type { DevicePreference } from "flamingo-web";

/** Where the default model lies, seen from the page. */
export const DEFAULT_MODEL = "models/flamingo-smollm2-135m/model.json";

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
  remember("device", device, "auto");
}

/** Keeps the address of the chosen model there too. */
export function rememberModel(model: string): void {
  remember("model", model, DEFAULT_MODEL);
}

function remember(key: string, value: string, usual: string): void {
  const url = new URL(location.href);
  if (value === usual) url.searchParams.delete(key);
  else url.searchParams.set(key, value);
  history.replaceState(null, "", url);
}
