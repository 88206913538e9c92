/** What people want to know of a model before they take it: how it is asked, and whether it runs here. */

import { type DevicePreference, type ModelInfo, ModelTooLargeError } from "flamingo-web";

/** What the browser tells of the device. */
export interface Surroundings {
  readonly webGpu: boolean;
  /** Memory in GiB, roughly; some browsers do not tell. */
  readonly memory: number | undefined;
}

/** The largest heap that a tab gives a model. */
const MOST_HEAP_BYTES = 2 ** 32;

/** Asks the browser. */
export function surroundings(): Surroundings {
  const { deviceMemory } = navigator as { deviceMemory?: number };
  return { webGpu: "gpu" in navigator, memory: deviceMemory };
}

/** How a caption is asked for, as the model was trained; nothing of files from before they said so. */
export function promptOf({ config }: ModelInfo): string | undefined {
  const { prompt } = (config ?? {}) as { prompt?: { templates?: { caption?: unknown } } };
  const template = prompt?.templates?.caption;
  // What follows the answer ends it, in tokens of the model's own.
  return typeof template === "string" ? template.replace(/\{answer\}.*$/s, "…") : undefined;
}

/** Where it runs, or why it does not run here. */
export function needsOf(info: ModelInfo, { webGpu, memory }: Surroundings): string {
  const { cpu, webgpu } = info.heapBytes;
  if (webgpu > MOST_HEAP_BYTES) return "fits no browser tab";
  if (cpu > MOST_HEAP_BYTES) {
    const needs = "needs WebGPU: too large for the CPU of a tab";
    return webGpu ? needs : `${needs}, and this browser has none`;
  }
  if (memory !== undefined && info.memoryBytes > memory * 2 ** 30) {
    return `may not fit: this device has about ${memory} GB of memory`;
  }
  return webGpu ? "runs on the CPU or on WebGPU" : "runs on the CPU";
}

/** Why a model cannot be loaded here; nothing where it may be tried. */
export function refusalOf(
  { heapBytes }: ModelInfo,
  preference: DevicePreference,
  { webGpu }: Surroundings,
): ModelTooLargeError | undefined {
  const device = preference === "webgpu" || (preference === "auto" && webGpu) ? "webgpu" : "cpu";
  const needed = heapBytes[device];
  return needed > MOST_HEAP_BYTES
    ? new ModelTooLargeError({ device, needed, available: MOST_HEAP_BYTES })
    : undefined;
}
