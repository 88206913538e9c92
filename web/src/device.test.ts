/** Which build of the module is started, and which device it opens. */

import { afterEach, expect, test, vi } from "vitest";
import { chooseDevice } from "./device.js";
import { StartError } from "./errors.js";
import { fakeWasm } from "./testing/fake-wasm.js";
import type { DevicePreference, LoadWarning } from "./types.js";
import type { WasmBuild } from "./wasm.js";

const LIMITS = { maxBufferSize: 1000, maxStorageBufferBindingSize: 1000 };

afterEach(() => vi.unstubAllGlobals());

/** Chooses where the page is isolated or not and the browser has WebGPU or not. */
async function choose(
  preference: DevicePreference,
  { isolated = true, gpu = true, gpuLimit = 1 << 20, broken = [] as WasmBuild[] },
) {
  vi.stubGlobal("crossOriginIsolated", isolated);
  vi.stubGlobal("navigator", gpu ? { gpu: {} } : {});
  const started: WasmBuild[] = [];
  const warnings: LoadWarning[] = [];
  const modules = { webgpu: fakeWasm(), threads: fakeWasm() };
  modules.webgpu.gpuLimit = gpuLimit;
  const start = async (build: WasmBuild) => {
    started.push(build);
    if (broken.includes(build)) throw new TypeError(`404 for ${build}`);
    return modules[build];
  };
  const { wasm, report } = await chooseDevice(
    start,
    { preference, int8Activations: false },
    LIMITS,
    (code) => {
      warnings.push(code);
    },
  );
  const devices = modules.webgpu.alive.size + modules.threads.alive.size;
  return { started, warnings, report, devices, threads: wasm === modules.threads };
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
  expect(await choose("auto", { gpu: false })).toMatchObject({
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
  const chosen = await choose("auto", { gpuLimit: 999 });
  expect(chosen).toMatchObject({ started: ["webgpu", "threads"], threads: true, devices: 1 });
  expect(chosen.report).toMatchObject({ kind: "cpu", reason: expect.stringContaining("999") });
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
