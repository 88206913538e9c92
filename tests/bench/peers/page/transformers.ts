/** transformers.js, which runs ONNX Runtime Web. */

import {
  AutoModelForCausalLM,
  AutoTokenizer,
  BaseStreamer,
  env,
  type PreTrainedModel,
  type Tensor,
  type TextStreamer,
} from "@huggingface/transformers";
import { type Decoder, Stopwatch } from "./contestant.js";
import { MODEL, takeModelsFromHere } from "./local-models.js";

class Arrivals extends BaseStreamer {
  readonly watch = new Stopwatch();
  #prompt = true;

  override put(): void {
    // The prompt comes first.
    if (!this.#prompt) this.watch.token();
    this.#prompt = false;
  }

  override end(): void {}
}

export async function transformersDecoder(
  model: "q4" | "q8",
  device: "wasm" | "webgpu",
  threads: number,
): Promise<Decoder> {
  takeModelsFromHere();
  const { wasm } = env.backends.onnx;
  if (wasm === undefined) throw new Error("this build has no WebAssembly");
  wasm.wasmPaths = {
    mjs: "/ort/ort-wasm-simd-threaded.asyncify.mjs",
    wasm: "/ort/ort-wasm-simd-threaded.asyncify.wasm",
  };
  wasm.numThreads = threads;
  const tokenizer = await AutoTokenizer.from_pretrained(MODEL);
  const decoder: PreTrainedModel = await AutoModelForCausalLM.from_pretrained(MODEL, {
    device,
    dtype: model,
  });
  return {
    async decode(prompt, newTokens) {
      const inputs = tokenizer(prompt);
      const streamer = new Arrivals();
      const ids = (await decoder.generate({
        ...inputs,
        // The package's types want one that decodes text; it calls `put` and `end`.
        streamer: streamer as unknown as TextStreamer,
        do_sample: false,
        min_new_tokens: newTokens,
        max_new_tokens: newTokens,
      })) as Tensor;
      const promptTokens: number = inputs.input_ids.dims[1] ?? 0;
      const written: bigint[] = ids.tolist()[0].slice(promptTokens);
      const text = tokenizer.decode(written);
      return streamer.watch.finish(text, promptTokens, written.length);
    },
  };
}
