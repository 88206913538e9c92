/** Who runs against whom. */

import type { Contestant } from "../page/contestant.js";
import { OURS, OURS_INT8 } from "./report.js";

/** Contestants of one discipline. */
export interface Discipline {
  readonly name: string;
  readonly prompt: string;
  readonly newTokens: number;
  /** Threads of every contestant; pages that use more than one are cross-origin isolated. */
  readonly threads: number;
  readonly contestants: readonly Entry[];
}

/** About as long as a prompt with two examples. */
const PROMPT =
  "The lighthouse keeper climbed the stairs every evening to light the lamp. From up there he " +
  "could see the ships that passed in the distance, the fishing boats that came home, and the " +
  "gulls that followed them. One night, when the storm was at its worst, he";
const NEW_TOKENS = 24;

/** Where WebGPU is software a token takes seconds. */
const SHORT_PROMPT = "The lighthouse keeper climbed the stairs";
const FEW_NEW_TOKENS = 3;

export interface Entry {
  readonly name: string;
  readonly contestant: Contestant;
  /** The file it loads, below the folder of prepared files: its size is in the table. */
  readonly file: string;
}

const LANGUAGE_ALONE = "flamingo";

const ONNX = { q4: "onnx/onnx/model_q4.onnx", q8: "onnx/onnx/model_quantized.onnx" };

const flamingo = (
  name: string,
  device: "cpu" | "webgpu",
  threads: number,
  int8Activations = false,
): Entry => ({
  name,
  contestant: { task: "decode", engine: "flamingo", device, threads, int8Activations },
  file: LANGUAGE_ALONE,
});

function onCpu(threads: number): Discipline {
  const wllama = (model: "q4_1" | "q4_0" | "q8_0"): Entry => ({
    name: `wllama ${model.toUpperCase()}`,
    contestant: { task: "decode", engine: "wllama", model, threads },
    file: `gguf/${model}.gguf`,
  });
  const onnx = (model: "q4" | "q8"): Entry => ({
    name: `onnxruntime-web ${model}`,
    contestant: { task: "decode", engine: "onnxruntime-web", model, threads },
    file: ONNX[model],
  });
  return {
    name: `decode, CPU, ${threads === 1 ? "one thread" : "two threads"}`,
    prompt: PROMPT,
    newTokens: NEW_TOKENS,
    threads,
    contestants: [
      flamingo(OURS, "cpu", threads),
      flamingo(OURS_INT8, "cpu", threads, true),
      wllama("q4_1"),
      wllama("q4_0"),
      wllama("q8_0"),
      onnx("q4"),
      onnx("q8"),
      {
        name: "transformers.js q8",
        contestant: {
          task: "decode",
          engine: "transformers.js",
          model: "q8",
          device: "wasm",
          threads,
        },
        file: ONNX.q8,
      },
    ],
  };
}

const ON_GPU: Discipline = {
  name: "decode, WebGPU",
  prompt: SHORT_PROMPT,
  newTokens: FEW_NEW_TOKENS,
  threads: 1,
  contestants: [
    flamingo(OURS, "webgpu", 1),
    {
      name: "transformers.js q4",
      contestant: {
        task: "decode",
        engine: "transformers.js",
        model: "q4",
        device: "webgpu",
        threads: 1,
      },
      file: ONNX.q4,
    },
  ],
};

function seeing(threads: number): Discipline {
  return {
    name: `encode an image, CPU, ${threads === 1 ? "one thread" : "two threads"}`,
    prompt: "",
    newTokens: 0,
    threads,
    contestants: [
      {
        name: OURS,
        contestant: { task: "encode", engine: "flamingo", threads },
        file: LANGUAGE_ALONE,
      },
      {
        name: "onnxruntime-web",
        contestant: { task: "encode", engine: "onnxruntime-web", threads },
        file: "vision/efficientnet-lite2.onnx",
      },
    ],
  };
}

export const DISCIPLINES: readonly Discipline[] = [
  onCpu(1),
  onCpu(2),
  ON_GPU,
  seeing(1),
  seeing(2),
];
