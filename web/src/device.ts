/** The choice of a device that can hold the model at hand. */

import { AdapterLimitError } from "./errors.js";
import type { Manifest } from "./manifest.js";
import type { DevicePreference, DeviceReport } from "./types.js";
import { calling, type WasmDevice, type WasmModule } from "./wasm.js";

/** A device, and why it was taken. */
export interface ChosenDevice {
  readonly device: WasmDevice;
  readonly report: DeviceReport;
}

/**
 * Opens a device. Where `auto` gave a GPU that is too small for the model, the
 * CPU is taken and the report says so; a GPU that was asked for is an error.
 */
export async function chooseDevice(
  wasm: Pick<WasmModule, "selectDevice">,
  preference: DevicePreference,
  limits: Manifest["requiredGpuLimits"],
): Promise<ChosenDevice> {
  const device = await calling(() => wasm.selectDevice(preference));
  const report = device.report();
  const shortage = report.kind === "webgpu" ? findShortage(report, limits) : undefined;
  if (shortage === undefined) return { device, report };

  device.free();
  if (preference !== "auto") throw shortage;
  const cpu = await calling(() => wasm.selectDevice("cpu"));
  return { device: cpu, report: { ...cpu.report(), reason: shortage.message } };
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
