/** This project's package, as an embedder uses it. */

import { Flamingo, type LoadOptions } from "flamingo-web";
import { type Contestant, type Decoder, type Encoder, Stopwatch } from "./contestant.js";

/** The default model without cross-attention blocks: what is left is the language model. */
const LANGUAGE_ALONE = "/files/flamingo/model.json";

/** `<|endoftext|>`, `<|im_end|>` and `<|endofchunk|>`: a text must not end early. */
const ENDS = [0, 2, 49152];

/** The package takes a thread a core where the page is isolated, and none beside otherwise. */
async function load(threads: number, options: LoadOptions): Promise<Flamingo> {
  const model = await Flamingo.load(LANGUAGE_ALONE, options);
  if (model.device.threads !== threads) {
    throw new Error(
      `flamingo took ${model.device.threads} threads instead of ${threads}: give Chromium as many cores`,
    );
  }
  return model;
}

export async function flamingoDecoder({
  device,
  threads,
  int8Activations,
}: Extract<Contestant, { task: "decode"; engine: "flamingo" }>): Promise<Decoder> {
  const model = await load(threads, { device, int8Activations });
  const session = model.session();
  return {
    async decode(prompt, newTokens) {
      const promptTokens = await session.countTokens([prompt]);
      const watch = new Stopwatch();
      const stream = session.generate([prompt], { maxNewTokens: newTokens, banned: ENDS });
      for await (const _ of stream) watch.token();
      const { text, tokenIds } = await stream.result;
      return watch.finish(text, promptTokens, tokenIds.length);
    },
  };
}

/** The vision encoder alone: what `embed` adds is the mean of 81 rows. */
export async function flamingoEncoder(threads: number): Promise<Encoder> {
  const model = await load(threads, { device: "cpu" });
  return {
    async encode(picture) {
      const start = performance.now();
      await model.embed(picture);
      return performance.now() - start;
    },
  };
}
