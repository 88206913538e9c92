import type { ModelInfo } from "flamingo-web";
import { expect, test } from "vitest";
import { needsOf, promptOf, refusalOf, type Surroundings } from "./model-facts.js";

/** A model that takes so many GB on the CPU, and 0.2 beside a GPU. */
const model = (gigabytes: number, config: unknown = {}): ModelInfo => ({
  name: "a model",
  family: undefined,
  licence: "MIT",
  totalBytes: gigabytes * 1e9,
  memoryBytes: gigabytes * 1e9,
  heapBytes: { cpu: gigabytes * 1e9 + 2e8, webgpu: 2e8 },
  config,
});

const LAPTOP: Surroundings = { webGpu: true, memory: 8 };

test("the prompt is shown as the model's file has it, and files without one show none", () => {
  const templates = { caption: "<image>Output:{answer}<|endofchunk|>\n" };
  expect(promptOf(model(1, { prompt: { templates } }))).toBe("<image>Output:…");
  for (const config of [
    undefined,
    null,
    {},
    { prompt: {} },
    { prompt: { templates: { caption: 3 } } },
  ])
    expect(promptOf({ ...model(1), config })).toBeUndefined();
});

test.each<[number, Partial<Surroundings>, string]>([
  [0.2, {}, "runs on the CPU or on WebGPU"],
  [0.2, { webGpu: false }, "runs on the CPU"],
  [2.4, {}, "runs on the CPU or on WebGPU"],
  [2.4, { memory: 2 }, "may not fit: this device has about 2 GB of memory"],
  [2.4, { memory: undefined }, "runs on the CPU or on WebGPU"],
  [4.7, {}, "needs WebGPU: too large for the CPU of a tab"],
  [
    4.7,
    { webGpu: false },
    "needs WebGPU: too large for the CPU of a tab, and this browser has none",
  ],
])("a model of %d GB where %j: %s", (gigabytes, changes, told) => {
  expect(needsOf(model(gigabytes), { ...LAPTOP, ...changes })).toBe(told);
});

test("what fits nowhere is told, and a model is refused only where it cannot be tried", () => {
  const giant = { ...model(9), heapBytes: { cpu: 14e9, webgpu: 5e9 } };
  expect(needsOf(giant, LAPTOP)).toBe("fits no browser tab");
  expect(refusalOf(giant, "auto", LAPTOP)?.details.device).toBe("webgpu");
  expect(refusalOf(model(4.7), "auto", LAPTOP)).toBeUndefined();
  expect(refusalOf(model(4.7), "webgpu", LAPTOP)).toBeUndefined();
  expect(refusalOf(model(4.7), "cpu", LAPTOP)?.message).toContain("4.9 GB");
  expect(refusalOf(model(4.7), "auto", { ...LAPTOP, webGpu: false })?.details.device).toBe("cpu");
  expect(refusalOf(model(2.4), "cpu", LAPTOP)).toBeUndefined();
});
