/** Loads one contestant and has it do what the driver says. */

import type { Contestant, Decoder, Decoding, Encoder } from "./contestant.js";
import { flamingoDecoder, flamingoEncoder } from "./flamingo.js";
import { onnxRuntimeDecoder, onnxRuntimeEncoder } from "./onnxruntime.js";
import { transformersDecoder } from "./transformers.js";
import { wllamaDecoder } from "./wllama.js";

/** The functions that the driver calls. */
export interface ContestantPage {
  /** Milliseconds of loading: weights from a server on this machine, compilation included. */
  load(contestant: Contestant): Promise<number>;
  decode(prompt: string, newTokens: number): Promise<Decoding>;
  encode(): Promise<number>;
}

let loaded: Partial<Decoder & Encoder> = {};

const PICTURE_SIDE = 260;

const page: ContestantPage = {
  async load(contestant) {
    const start = performance.now();
    loaded = await open(contestant);
    return performance.now() - start;
  },
  async decode(prompt, newTokens) {
    if (loaded.decode === undefined) throw new Error("this contestant does not write");
    return loaded.decode(prompt, newTokens);
  },
  async encode() {
    if (loaded.encode === undefined) throw new Error("this contestant does not see");
    const picture = new ImageData(PICTURE_SIDE, PICTURE_SIDE);
    crypto.getRandomValues(picture.data.subarray(0, 65_536));
    return loaded.encode(picture);
  },
};

function open(contestant: Contestant): Promise<Partial<Decoder & Encoder>> {
  if (contestant.task === "encode") {
    return contestant.engine === "flamingo"
      ? flamingoEncoder(contestant.threads)
      : onnxRuntimeEncoder(contestant.threads);
  }
  switch (contestant.engine) {
    case "flamingo":
      return flamingoDecoder(contestant);
    case "wllama":
      return wllamaDecoder(contestant.model, contestant.threads);
    case "onnxruntime-web":
      return onnxRuntimeDecoder(contestant.model, contestant.threads);
    case "transformers.js":
      return transformersDecoder(contestant.model, contestant.device, contestant.threads);
  }
}

Object.assign(window, { contestantPage: page });
