/** Who runs against whom. */

import type { Contestant } from "../page/contestant.js";
import { OURS } from "./report.js";

/** Contestants of one discipline. */
export interface Discipline {
  readonly name: string;
  /** Tokens of a text: fewer where a token takes long. */
  readonly newTokens: number;
  /** Threads of every contestant; pages that use more than one are cross-origin isolated. */
  readonly threads: number;
  readonly contestants: readonly Entry[];
}

export interface Entry {
  readonly name: string;
  readonly contestant: Contestant;
  /** The file it loads, below the folder of prepared files: its size is in the table. */
  readonly file: string;
}

const LANGUAGE_ALONE = "flamingo";

function onCpu(threads: number): Discipline {
  const wllama = (model: "q4_1" | "q4_0" | "q8_0"): Entry => ({
    name: `wllama ${model.toUpperCase()}`,
    contestant: { task: "decode", engine: "wllama", model, threads },
    file: `gguf/${model}.gguf`,
  });
  const onnx = (engine: "onnxruntime-web" | "transformers.js", model: "q4" | "q8"): Entry => ({
    name: `${engine} ${model}`,
    contestant: { task: "decode", engine, model, threads },
    file: `onnx/onnx/${model === "q4" ? "model_q4" : "model_quantized"}.onnx`,
  });
  return {
    name: `decode, CPU, ${threads === 1 ? "one thread" : "two threads"}`,
    newTokens: 48,
    threads,
    contestants: [
      {
        name: OURS,
        contestant: { task: "decode", engine: "flamingo", device: "cpu" },
        file: LANGUAGE_ALONE,
      },
      wllama("q4_1"),
      wllama("q4_0"),
      wllama("q8_0"),
      onnx("onnxruntime-web", "q4"),
      onnx("onnxruntime-web", "q8"),
      onnx("transformers.js", "q8"),
    ],
  };
}

const ON_GPU: Discipline = {
  name: "decode, WebGPU",
  newTokens: 12,
  threads: 1,
  contestants: [
    {
      name: OURS,
      contestant: { task: "decode", engine: "flamingo", device: "webgpu" },
      file: LANGUAGE_ALONE,
    },
    {
      name: "transformers.js q4",
      contestant: { task: "decode", engine: "transformers.js", model: "q4", threads: 0 },
      file: "onnx/onnx/model_q4.onnx",
    },
    {
      name: "wllama Q4_0",
      contestant: { task: "decode", engine: "wllama", model: "q4_0", threads: 0 },
      file: "gguf/q4_0.gguf",
    },
  ],
};

function seeing(threads: number): Discipline {
  return {
    name: `encode an image, CPU, ${threads === 1 ? "one thread" : "two threads"}`,
    newTokens: 0,
    threads,
    contestants: [
      { name: OURS, contestant: { task: "encode", engine: "flamingo" }, file: LANGUAGE_ALONE },
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
