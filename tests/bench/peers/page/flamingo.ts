/** This project's package, as an embedder uses it. */

import { type DevicePreference, Flamingo } from "flamingo-web";
import { type Decoder, type Encoder, Stopwatch } from "./contestant.js";

/** The default model without cross-attention blocks: what is left is the language model. */
const LANGUAGE_ALONE = "/files/flamingo/model.json";

/** `<|endoftext|>`, `<|im_end|>` and `<|endofchunk|>`: a text must not end early. */
const ENDS = [0, 2, 49152];

export async function flamingoDecoder(device: DevicePreference): Promise<Decoder> {
  const model = await Flamingo.load(LANGUAGE_ALONE, { device });
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
export async function flamingoEncoder(): Promise<Encoder> {
  const model = await Flamingo.load(LANGUAGE_ALONE, { device: "cpu" });
  return {
    async encode(picture) {
      const start = performance.now();
      await model.embed(picture);
      return performance.now() - start;
    },
  };
}
