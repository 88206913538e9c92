/** What is measured: from the page's address, or from its form. */

import type { DevicePreference } from "flamingo-web";
import { DEVICES } from "../settings.js";

export interface Plan {
  readonly device: DevicePreference;
  /** Whether the CPU rounds activations to bytes. */
  readonly int8Activations: boolean;
  /** Address of a `model.json`, relative to the page. */
  readonly model: string;
  /** Numbers of examples, each measured by itself. */
  readonly shots: readonly number[];
  /** Lengths of captions in tokens, each measured by itself. */
  readonly lengths: readonly number[];
  /** Rounds, of which the median counts. */
  readonly repeats: number;
}

/** Where the default model lies, seen from the page. */
const DEFAULT_MODEL = "models/flamingo-smollm2-135m/model.json";

/** What the program `flamingo bench` measures where it is told nothing. */
const DEFAULTS = { shots: "0, 1, 4, 8, 16, 32", lengths: "16", repeats: "5" };

/** More would not fit the context of the default model. */
const MOST_SHOTS = 64;
/** A length of 1 has no decoding to time. */
const LENGTHS = { least: 2, most: 256 };
const MOST_REPEATS = 100;

/** `fields` are those of the address, or of the form. */
export function readPlan(fields: { get(name: string): FormDataEntryValue | null }): Plan {
  const text = (name: keyof typeof DEFAULTS) => `${fields.get(name) ?? DEFAULTS[name]}`;
  const [repeats = 1] = numbers(text("repeats"), 1, MOST_REPEATS);
  return {
    device: DEVICES.find((name) => name === fields.get("device")) ?? "auto",
    int8Activations: fields.get("int8") !== null,
    model: `${fields.get("model") ?? DEFAULT_MODEL}`,
    shots: numbers(text("shots"), 0, MOST_SHOTS),
    lengths: numbers(text("lengths"), LENGTHS.least, LENGTHS.most),
    repeats,
  };
}

/** The whole numbers in a text, rising, each once, those out of range brought into it. */
function numbers(text: string, least: number, most: number): number[] {
  const found = (text.match(/\d+/g) ?? []).map((digits) =>
    Math.min(Math.max(Number(digits), least), most),
  );
  return [...new Set(found)].sort((a, b) => a - b);
}
