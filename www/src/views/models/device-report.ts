/** What a bug report should say of the device, as text. */

import type { DeviceReport, MemoryReport, ModelInfo, SelfTest } from "flamingo-web";

/** What was found out. */
export interface ReportFacts {
  readonly userAgent: string;
  readonly cores: number;
  readonly isolated: boolean;
  /** Where the model runs; none where it does not. */
  readonly device: DeviceReport | undefined;
  readonly model: ModelInfo | undefined;
  readonly memory: MemoryReport | undefined;
  /** What the browser offers beyond what the model uses; none where there is no WebGPU. */
  readonly adapter: AdapterFacts | undefined;
  /** Bytes that the page may keep, and keeps. */
  readonly storage: { readonly quota: number; readonly usage: number } | undefined;
}

/** A GPU as the browser describes it. */
export interface AdapterFacts {
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

/** Names with values, in the order in which they are read. */
export type ReportLine = readonly [name: string, value: string];

const KERNELS_SHARE: Record<DeviceReport["kernels"], string> = {
  cpu: "memory, between threads",
  invocations: "nothing, for a software adapter",
  workgroups: "rows, within workgroups",
};

/** The model, and where it runs. */
export function modelLines({ device, model, memory }: ReportFacts): ReportLine[] {
  const lines: ReportLine[] = [];
  if (model !== undefined) {
    lines.push(["Model", `${model.name} (${bytes(model.totalBytes)})`]);
  }
  if (device !== undefined) {
    lines.push(
      ["Runs on", device.kind === "cpu" ? "CPU" : "WebGPU"],
      ["Why", device.reason],
      ["Adapter", adapterName(device)],
      ["Self-test", selfTest(device.selfTest)],
    );
    if (device.kind === "webgpu") {
      lines.push(
        ["maxBufferSize", bytes(device.maxBufferSize)],
        ["maxStorageBufferBindingSize", bytes(device.maxStorageBufferBindingSize)],
        ["Subgroups", device.subgroups ? "yes" : "no"],
        ["Kernels share", KERNELS_SHARE[device.kernels]],
      );
    }
  }
  if (memory !== undefined) {
    lines.push(
      ["WebAssembly heap", bytes(memory.heapBytes)],
      ["Weights", bytes(memory.weightBytes)],
    );
    if (memory.gpuBytesReserved > 0) lines.push(["GPU memory", bytes(memory.gpuBytesReserved)]);
  }
  return lines;
}

/** What the browser offers, whatever the model uses of it. */
export function browserLines(facts: ReportFacts): ReportLine[] {
  const { adapter, storage } = facts;
  const lines: ReportLine[] = [
    ["Browser", facts.userAgent],
    ["Cores", `${facts.cores}`],
    ["Isolated (threads possible)", facts.isolated ? "yes" : "no"],
  ];
  if (storage !== undefined) {
    lines.push(["Storage", `${bytes(storage.usage)} of ${bytes(storage.quota)} used`]);
  }
  if (adapter === undefined) {
    lines.push(["WebGPU", "not offered by this browser"]);
  } else {
    lines.push(["WebGPU features", adapter.features.join(", ") || "none"]);
    for (const [name, value] of Object.entries(adapter.limits)) {
      lines.push([`Adapter's ${name}`, `${value}`]);
    }
  }
  return lines;
}

/** All of it as one text, to be pasted into a report. */
export function reportText(facts: ReportFacts): string {
  const lines = [...modelLines(facts), ...browserLines(facts)];
  return `${lines.map(([name, value]) => `${name}: ${value}`).join("\n")}\n`;
}

function adapterName({ adapter, backend, software }: DeviceReport): string {
  const name = [adapter, backend].filter((part) => part !== "").join(", ") || "none";
  return software ? `${name} (software)` : name;
}

function selfTest(test: SelfTest): string {
  switch (test.outcome) {
    case "not_run":
      return "not run";
    case "passed":
      return `passed: ${test.operations} operations, worst error ${Math.round(test.worst * 100)} % of what is allowed`;
    case "failed":
      return `failed: ${test.error}`;
  }
}

/** Megabytes for people, bytes for machines. */
function bytes(count: number): string {
  return `${(count / 1e6).toFixed(1)} MB (${count} bytes)`;
}
