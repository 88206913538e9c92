/** ONNX Runtime Web with its plain WebAssembly build, driven by a loop that does no more than it must. */

import { AutoTokenizer } from "@huggingface/transformers";
import * as ort from "onnxruntime-web/wasm";
import { type Decoder, type Encoder, Stopwatch } from "./contestant.js";
import { MODEL, takeModelsFromHere } from "./local-models.js";

const FILES = { q4: "model_q4", q8: "model_quantized" };

/** Shape of the keys and values of a layer before the first token. */
const EMPTY_CACHE = [1, 3, 0, 64];

const ENDS = [0, 2];

async function open(url: string, threads: number): Promise<ort.InferenceSession> {
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.wasm.numThreads = threads;
  const bytes = await (await fetch(url)).arrayBuffer();
  return ort.InferenceSession.create(bytes, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
}

export async function onnxRuntimeDecoder(model: "q4" | "q8", threads: number): Promise<Decoder> {
  takeModelsFromHere();
  const tokenizer = await AutoTokenizer.from_pretrained(MODEL);
  const session = await open(`/files/onnx/onnx/${FILES[model]}.onnx`, threads);
  const caches = session.inputNames.filter((name) => name.startsWith("past_key_values"));
  return {
    async decode(prompt, newTokens) {
      const read: number[] = tokenizer.encode(prompt);
      const written: number[] = [];
      const watch = new Stopwatch();
      let feeds = Object.fromEntries(
        caches.map((name) => [name, new ort.Tensor("float32", new Float32Array(), EMPTY_CACHE)]),
      );
      for (let next = read; written.length < newTokens; ) {
        const total = read.length + written.length;
        const ids = BigInt64Array.from(next, BigInt);
        const outputs = await session.run({
          ...feeds,
          input_ids: new ort.Tensor("int64", ids, [1, next.length]),
          attention_mask: new ort.Tensor("int64", new BigInt64Array(total).fill(1n), [1, total]),
        });
        const { logits } = outputs;
        if (logits === undefined) throw new Error("the model has no logits");
        const [, rows = 1, vocabulary = 0] = logits.dims;
        const last = (logits.data as Float32Array).subarray((rows - 1) * vocabulary);
        const token = likeliest(last);
        watch.token();
        written.push(token);
        next = [token];
        feeds = Object.fromEntries(
          caches.map((name) => [
            name,
            outputs[name.replace("past_key_values", "present")] as ort.TypedTensor<"float32">,
          ]),
        );
      }
      return watch.finish(tokenizer.decode(written), read.length, written.length);
    },
  };
}

function likeliest(logits: Float32Array): number {
  for (const end of ENDS) logits[end] = Number.NEGATIVE_INFINITY;
  let best = 0;
  for (let i = 1; i < logits.length; i += 1) {
    if ((logits[i] as number) > (logits[best] as number)) best = i;
  }
  return best;
}

export async function onnxRuntimeEncoder(threads: number): Promise<Encoder> {
  const session = await open("/files/vision/efficientnet-lite2.onnx", threads);
  return {
    async encode({ data, width, height }) {
      const start = performance.now();
      const plane = width * height;
      const pixels = new Float32Array(3 * plane);
      for (let i = 0; i < plane; i += 1) {
        for (let channel = 0; channel < 3; channel += 1) {
          pixels[channel * plane + i] = ((data[4 * i + channel] as number) - 127) / 128;
        }
      }
      await session.run({ pixels: new ort.Tensor("float32", pixels, [1, 3, height, width]) });
      return performance.now() - start;
    },
  };
}
