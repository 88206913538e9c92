/** The choice of a device that can hold the model at hand, and of the module that drives it. */

import { heapBytesOf, tooLarge } from "./device-memory.js";
import { describe, NoWebGpuError, StartError } from "./errors.js";
import type { Manifest } from "./manifest.js";
import type { Warn } from "./storage/model-cache.js";
import type { DeviceReport, DeviceWish } from "./types.js";
import {
  calling,
  type StartWasm,
  type WasmBuild,
  type WasmDevice,
  type WasmModule,
} from "./wasm.js";

/** A device, the module that opened it, and why it was taken. */
export interface ChosenDevice {
  readonly wasm: WasmModule;
  readonly device: WasmDevice;
  readonly report: DeviceReport;
}

/**
 * Opens a device. A model that fits no tab on the CPU is for a GPU, even one that `auto` would
 * not take otherwise. The CPU computes on all its threads where the page may have them.
 *
 * @throws a {@link ModelTooLargeError} where the model fits on none, before a module is fetched if
 *     that is known by then.
 */
export async function chooseDevice(
  start: StartWasm,
  wish: DeviceWish,
  manifest: Manifest,
  warn: Warn,
): Promise<ChosenDevice> {
  const { preference } = wish;
  const isAuto = preference === "auto";
  const mayBeGpu = preference === "webgpu" || (isAuto && "gpu" in (globalThis.navigator ?? {}));
  const cpuRefuses = tooLarge(manifest, "cpu");
  const refusal = mayBeGpu ? tooLarge(manifest, "webgpu") : cpuRefuses;
  if (refusal !== undefined) throw refusal;
  warnOfLittleMemory(manifest, warn);
  if (isAuto && cpuRefuses !== undefined) {
    try {
      const chosen = await withGpuModule(start, { ...wish, preference: "webgpu" });
      const reason = `${chosen.report.reason}; the model does not fit on the CPU of a tab`;
      return { ...chosen, report: { ...chosen.report, reason } };
    } catch (cause) {
      if (!(cause instanceof NoWebGpuError)) throw cause;
      throw Object.assign(cpuRefuses, { cause });
    }
  }

  const threads = mayHaveThreads();
  const heapBytes = heapBytesOf(manifest, "cpu");
  if (threads && !mayBeGpu) {
    const chosen = await onThreads(start, wish, heapBytes, warn);
    if (chosen !== undefined) return chosen;
  }
  const chosen = await withGpuModule(start, wish);
  if (!threads || !isAuto || chosen.report.kind !== "cpu") return chosen;
  // The GPU was looked at and not taken: the other module computes faster.
  const faster = await onThreads(start, wish, heapBytes, warn);
  if (faster === undefined) return chosen;
  chosen.device.free();
  return { ...faster, report: { ...chosen.report, threads: faster.report.threads } };
}

/** Says where the device has less memory than the model takes, as far as the browser tells. */
function warnOfLittleMemory({ memoryBytes }: Manifest, warn: Warn): void {
  // In GiB, rounded to a power of two; some browsers do not tell.
  const { deviceMemory } = (globalThis.navigator ?? {}) as { deviceMemory?: number };
  if (deviceMemory === undefined || memoryBytes <= deviceMemory * 2 ** 30) return;
  warn(
    "little-memory",
    `The model takes ${(memoryBytes / 1e9).toFixed(1)} GB of memory and this device has about ${deviceMemory}. It may end the page: close other programs, or load a smaller model.`,
  );
}

/**
 * Whether this browser lets Workers of this page share memory, and waits for it without
 * blocking.
 */
function mayHaveThreads(): boolean {
  return globalThis.crossOriginIsolated === true && "waitAsync" in Atomics;
}

/** The CPU on all threads; nothing, and a warning, where they do not start. */
async function onThreads(
  start: StartWasm,
  wish: DeviceWish,
  heapBytes: number,
  warn: Warn,
): Promise<ChosenDevice | undefined> {
  try {
    const wasm = await started(start, "threads", heapBytes);
    return await opened(wasm, { ...wish, preference: "cpu" });
  } catch (error) {
    warn("threads", `The CPU computes on one thread: ${describe(error)}`);
    return undefined;
  }
}

async function withGpuModule(start: StartWasm, wish: DeviceWish): Promise<ChosenDevice> {
  return opened(await started(start, "webgpu"), wish);
}

async function started(
  start: StartWasm,
  build: WasmBuild,
  heapBytes?: number,
): Promise<WasmModule> {
  try {
    return await start(build, heapBytes);
  } catch (cause) {
    throw new StartError({ reason: describe(cause) }, { cause });
  }
}

async function opened(
  wasm: WasmModule,
  { preference, int8Activations }: DeviceWish,
): Promise<ChosenDevice> {
  const device = await calling(() => wasm.selectDevice(preference, int8Activations));
  return { wasm, device, report: device.report() };
}
