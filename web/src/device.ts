/** The choice of a device that can hold the model at hand, and of the module that drives it. */

import { AdapterLimitError, describe, StartError } from "./errors.js";
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
 * Opens a device. Where `auto` gave a GPU that is too small for the model, the
 * CPU is taken and the report says so; a GPU that was asked for is an error. The
 * CPU computes on all its threads where the page may have them.
 */
export async function chooseDevice(
  start: StartWasm,
  wish: DeviceWish,
  limits: Manifest["requiredGpuLimits"],
  warn: Warn,
): Promise<ChosenDevice> {
  const threads = mayHaveThreads();
  const { preference } = wish;
  if (threads && (preference === "cpu" || (preference === "auto" && !("gpu" in navigator)))) {
    const chosen = await onThreads(start, wish, warn);
    if (chosen !== undefined) return chosen;
  }
  const chosen = await withGpuModule(start, wish, limits);
  if (!threads || preference !== "auto" || chosen.report.kind !== "cpu") return chosen;
  // The GPU was looked at and not taken: the other module computes faster.
  const faster = await onThreads(start, wish, warn);
  if (faster === undefined) return chosen;
  chosen.device.free();
  return { ...faster, report: { ...chosen.report, threads: faster.report.threads } };
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
  warn: Warn,
): Promise<ChosenDevice | undefined> {
  try {
    const wasm = await started(start, "threads");
    return await opened(wasm, { ...wish, preference: "cpu" });
  } catch (error) {
    warn("threads", `The CPU computes on one thread: ${describe(error)}`);
    return undefined;
  }
}

async function withGpuModule(
  start: StartWasm,
  wish: DeviceWish,
  limits: Manifest["requiredGpuLimits"],
): Promise<ChosenDevice> {
  const wasm = await started(start, "webgpu");
  const chosen = await opened(wasm, wish);
  const { device, report } = chosen;
  const shortage = report.kind === "webgpu" ? findShortage(report, limits) : undefined;
  if (shortage === undefined) return chosen;

  device.free();
  if (wish.preference !== "auto") throw shortage;
  const cpu = await opened(wasm, { ...wish, preference: "cpu" });
  return { ...cpu, report: { ...cpu.report, reason: shortage.message } };
}

async function started(start: StartWasm, build: WasmBuild): Promise<WasmModule> {
  try {
    return await start(build);
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

function findShortage(
  report: DeviceReport,
  limits: Manifest["requiredGpuLimits"],
): AdapterLimitError | undefined {
  for (const limit of ["maxBufferSize", "maxStorageBufferBindingSize"] as const) {
    const [needed, available] = [limits[limit], report[limit]];
    if (available < needed) return new AdapterLimitError({ limit, needed, available });
  }
  return undefined;
}
