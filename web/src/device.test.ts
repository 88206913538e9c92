/** Which build of the module is started, and which device it opens. */

import { afterEach, expect, test, vi } from "vitest";
import { chooseDevice } from "./device.js";
import { ModelTooLargeError, NoWebGpuError, StartError } from "./errors.js";
import { parseManifest } from "./manifest.js";
import { fakeWasm } from "./testing/fake-wasm.js";
import type { DevicePreference, LoadWarning } from "./types.js";
import type { WasmBuild } from "./wasm.js";

afterEach(() => vi.unstubAllGlobals());

/** What `model.json` says of a model of so many bytes, the largest tensor of `largest`. */
function manifestOf(memoryBytes: number, largest: number) {
  const manifest = {
    format_version: 1,
    name: "tiny",
    licence: "MIT",
    total_bytes: 0,
    shards: [],
    estimated_memory_bytes: memoryBytes,
    required_gpu_limits: { max_buffer_size: largest },
  };
  return parseManifest(manifest, "https://models.test/model.json");
}

/** Where a model is to run, and the browser that it is loaded in. */
interface Scene {
  readonly isolated?: boolean;
  /** Whether the browser has WebGPU, and what the adapter is. */
  readonly webGpu?: boolean;
  readonly adapter?: "hardware" | "software" | "none";
  readonly broken?: readonly WasmBuild[];
  readonly memoryBytes?: number;
  readonly largestBytes?: number;
  /** GiB, as the browser tells. */
  readonly deviceMemory?: number;
}

const started: [WasmBuild, number | undefined][] = [];

async function choose(preference: DevicePreference, scene: Scene) {
  const { isolated = true, webGpu = true, adapter = "hardware", broken = [] } = scene;
  const { memoryBytes = 3e6, largestBytes = 1e6, deviceMemory } = scene;
  vi.stubGlobal("crossOriginIsolated", isolated);
  vi.stubGlobal("navigator", { ...(webGpu ? { gpu: {} } : {}), deviceMemory });
  started.length = 0;
  const warnings: LoadWarning[] = [];
  const modules = { webgpu: fakeWasm(), threads: fakeWasm() };
  modules.webgpu.gpu = adapter;
  const start = async (build: WasmBuild, heapBytes?: number) => {
    started.push([build, heapBytes]);
    if (broken.includes(build)) throw new TypeError(`404 for ${build}`);
    return modules[build];
  };
  const { wasm, report } = await chooseDevice(
    start,
    { preference, int8Activations: false },
    manifestOf(memoryBytes, largestBytes),
    (code) => {
      warnings.push(code);
    },
  );
  const devices = modules.webgpu.alive.size + modules.threads.alive.size;
  return {
    started: started.map(([build]) => build),
    warnings,
    report,
    devices,
    threads: wasm === modules.threads,
  };
}

test("the CPU computes on threads where the page is isolated, and only there", async () => {
  expect(await choose("cpu", {})).toMatchObject({ started: ["threads"], threads: true });
  expect(await choose("cpu", { isolated: false })).toMatchObject({
    started: ["webgpu"],
    threads: false,
    report: { kind: "cpu" },
  });
});

test("auto starts the build with threads at once where the browser has no WebGPU", async () => {
  expect(await choose("auto", { webGpu: false })).toMatchObject({
    started: ["threads"],
    report: { kind: "cpu" },
  });
});

test("a GPU that is there keeps the build that drives it", async () => {
  expect(await choose("auto", {})).toMatchObject({
    started: ["webgpu"],
    report: { kind: "webgpu" },
  });
  expect(await choose("webgpu", {})).toMatchObject({ started: ["webgpu"] });
});

test("a GPU that was looked at and not taken gives way to threads, its reason kept", async () => {
  const chosen = await choose("auto", { adapter: "software" });
  expect(chosen).toMatchObject({ started: ["webgpu", "threads"], threads: true, devices: 1 });
  expect(chosen.report).toMatchObject({ kind: "cpu", reason: "the GPU is software" });
});

test("threads that do not start are a warning, and one thread computes", async () => {
  expect(await choose("cpu", { broken: ["threads"] })).toMatchObject({
    started: ["threads", "webgpu"],
    warnings: ["threads"],
    threads: false,
    report: { kind: "cpu" },
  });
});

test("a module that does not start is an error", async () => {
  await expect(choose("webgpu", { broken: ["webgpu"] })).rejects.toBeInstanceOf(StartError);
});

/** As `model.json` has it of OpenFlamingo-9B in `Q8_0`: more than a tab holds, in tensors that it does. */
const LARGE = { memoryBytes: 9_100_000_000, largestBytes: 220_000_000 };

test.each<[DevicePreference, Scene]>([
  ["cpu", LARGE],
  ["auto", { ...LARGE, webGpu: false }],
  ["cpu", { ...LARGE, isolated: false }],
  ["webgpu", { memoryBytes: 5e9, largestBytes: 4.2e9 }],
  // With the second copy of the largest tensor, and with the rest.
  ["cpu", { memoryBytes: 4.2e9 - 100e6, largestBytes: 100e6 }],
])(
  "a model that fits nowhere (%s, %j) is refused before a module is fetched",
  async (wish, scene) => {
    const error = await choose(wish, scene).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(ModelTooLargeError);
    const { details, message } = error as ModelTooLargeError;
    expect(details.device).toBe(wish === "webgpu" ? "webgpu" : "cpu");
    expect(details.available).toBe(2 ** 32);
    expect(details.needed).toBeGreaterThan(details.available);
    expect(message).toContain(`about ${(details.needed / 1e9).toFixed(1)} GB`);
    expect(message).toContain("4.3 GB");
    expect(message).toContain("smaller type");
    expect(message).toContain("native program");
    expect(started).toEqual([]);
  },
);

test("auto takes a GPU for what no CPU of a tab holds, were it software, and says why", async () => {
  const hardware = await choose("auto", LARGE);
  expect(hardware).toMatchObject({ started: ["webgpu"], report: { kind: "webgpu" } });
  const software = await choose("auto", { ...LARGE, adapter: "software" });
  expect(software).toMatchObject({
    started: ["webgpu"],
    report: { kind: "webgpu", software: true, reason: expect.stringContaining("does not fit") },
  });
  const error = await choose("auto", { ...LARGE, adapter: "none" }).catch(
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(ModelTooLargeError);
  expect((error as Error).cause).toBeInstanceOf(NoWebGpuError);
});

test("threads are asked for with the memory that the model takes beside all else", async () => {
  await choose("cpu", { memoryBytes: 2.3e9, largestBytes: 1e8 });
  expect(started).toEqual([["threads", 2.3e9 + 1e8 + 2 ** 27]]);
});

test.each([
  [2, 2.3e9, ["little-memory"]],
  [4, 2.3e9, []],
  [undefined, 2.3e9, []],
])(
  "a device of %s GiB is told of a model of %i bytes: %j",
  async (deviceMemory, memoryBytes, told) => {
    const scene = deviceMemory === undefined ? { memoryBytes } : { memoryBytes, deviceMemory };
    expect((await choose("cpu", scene)).warnings).toEqual(told);
  },
);
