import type { DeviceReport } from "flamingo-web";
import { expect, test } from "vitest";
import { browserLines, modelLines, type ReportFacts, reportText } from "./device-report.js";

const GPU: DeviceReport = {
  kind: "webgpu",
  kernels: "invocations",
  adapter: "a card",
  backend: "vulkan",
  software: true,
  reason: "it was asked for",
  maxBufferSize: 2_000_000,
  maxStorageBufferBindingSize: 1_000_000,
  subgroups: true,
  threads: 1,
  selfTest: { outcome: "passed", operations: 12, worst: 0.25 },
};

const FACTS: ReportFacts = {
  userAgent: "Browser 1",
  cores: 4,
  isolated: true,
  device: GPU,
  model: {
    name: "tiny",
    family: undefined,
    licence: "MIT",
    totalBytes: 5_000_000,
    memoryBytes: 6,
    heapBytes: { cpu: 8, webgpu: 2 },
    config: {},
  },
  memory: {
    heapBytes: 1_000_000,
    weightBytes: 2_000_000,
    latentBytes: 0,
    gpuBytesInUse: 0,
    gpuBytesReserved: 3_000_000,
  },
  adapter: { features: ["shader-f16", "subgroups"], limits: { maxBufferSize: 9 } },
  storage: { quota: 8_000_000, usage: 4_000_000 },
};

test("a GPU is told with its limits, its features and its self-test", () => {
  expect(reportText(FACTS).split("\n")).toEqual([
    "Model: tiny (5.0 MB (5000000 bytes))",
    "Runs on: WebGPU",
    "Why: it was asked for",
    "Adapter: a card, vulkan (software)",
    "Self-test: passed: 12 operations, worst error 25 % of what is allowed",
    "maxBufferSize: 2.0 MB (2000000 bytes)",
    "maxStorageBufferBindingSize: 1.0 MB (1000000 bytes)",
    "Subgroups: yes",
    "Kernels share: nothing, for a software adapter",
    "WebAssembly heap: 1.0 MB (1000000 bytes)",
    "Weights: 2.0 MB (2000000 bytes)",
    "GPU memory: 3.0 MB (3000000 bytes)",
    "Browser: Browser 1",
    "Cores: 4",
    "Isolated (threads possible): yes",
    "Storage: 4.0 MB (4000000 bytes) of 8.0 MB (8000000 bytes) used",
    "WebGPU features: shader-f16, subgroups",
    "Adapter's maxBufferSize: 9",
    "",
  ]);
});

test("where nothing is known yet, what the browser says is told", () => {
  const facts: ReportFacts = {
    ...FACTS,
    device: undefined,
    model: undefined,
    memory: undefined,
    adapter: undefined,
    storage: undefined,
    isolated: false,
  };
  expect(modelLines(facts)).toEqual([]);
  expect(browserLines(facts)).toEqual([
    ["Browser", "Browser 1"],
    ["Cores", "4"],
    ["Isolated (threads possible)", "no"],
    ["WebGPU", "not offered by this browser"],
  ]);
});

test("a self-test that failed is told with its error", () => {
  const device: DeviceReport = { ...GPU, selfTest: { outcome: "failed", error: "softmax: NaN" } };
  expect(modelLines({ ...FACTS, device })).toContainEqual(["Self-test", "failed: softmax: NaN"]);
});
