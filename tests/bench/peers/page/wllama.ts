/**
 * llama.cpp, compiled to WebAssembly. On the CPU only: asked for WebGPU on a software adapter, it
 * puts every tensor on the CPU without a word.
 */

import { LoggerWithoutDebug, Wllama } from "@wllama/wllama";
import { type Decoder, Stopwatch } from "./contestant.js";

export async function wllamaDecoder(model: string, threads: number): Promise<Decoder> {
  const wllama = new Wllama(
    { default: "/wllama/wllama.wasm" },
    { logger: LoggerWithoutDebug, suppressNativeLog: true },
  );
  const file = await (await fetch(`/files/gguf/${model}.gguf`)).blob();
  await wllama.loadModel([file], {
    n_ctx: 1024,
    n_parallel: 1,
    n_threads: threads,
    n_gpu_layers: 0,
  });
  if (wllama.getNumThreads() !== threads) {
    throw new Error(`wllama took ${wllama.getNumThreads()} threads instead of ${threads}`);
  }
  return {
    async decode(prompt, newTokens) {
      const watch = new Stopwatch();
      let text = "";
      let tokens = { read: 0, written: 0 };
      const options = {
        prompt,
        stream: true as const,
        max_tokens: newTokens,
        temperature: 0,
        // Fields of llama.cpp's server, which the package's types leave out.
        cache_prompt: false,
        ignore_eos: true,
        timings_per_token: true,
      };
      for await (const { choices, timings } of await wllama.createCompletion(options)) {
        const piece = choices[0]?.text ?? "";
        if (piece !== "") watch.token();
        text += piece;
        if (timings !== undefined)
          tokens = { read: timings.prompt_n, written: timings.predicted_n };
      }
      return watch.finish(text, tokens.read, tokens.written);
    },
  };
}
