/** What the driver asks of a page, whatever engine is in it. */

/** An engine with a model and a way to run it. */
export type Contestant =
  | {
      readonly task: "decode";
      readonly engine: "flamingo";
      readonly device: "cpu" | "webgpu";
      readonly threads: number;
      readonly int8Activations: boolean;
    }
  | {
      readonly task: "decode";
      readonly engine: "wllama";
      readonly model: "q4_1" | "q4_0" | "q8_0";
      readonly threads: number;
    }
  | {
      readonly task: "decode";
      readonly engine: "onnxruntime-web";
      readonly model: "q4" | "q8";
      readonly threads: number;
    }
  | {
      readonly task: "decode";
      readonly engine: "transformers.js";
      readonly model: "q4" | "q8";
      readonly device: "wasm" | "webgpu";
      readonly threads: number;
    }
  | { readonly task: "encode"; readonly engine: "flamingo"; readonly threads: number }
  | { readonly task: "encode"; readonly engine: "onnxruntime-web"; readonly threads: number };

/** A text that was written. */
export interface Decoding {
  readonly text: string;
  readonly promptTokens: number;
  readonly newTokens: number;
  /** From the call to the first token at the page. */
  readonly firstTokenMs: number;
  /** Between tokens at the page, without the first. */
  readonly msPerToken: number;
}

/** A model that writes. */
export interface Decoder {
  /** Continues a prompt by exactly so many tokens, each the likeliest. */
  decode(prompt: string, newTokens: number): Promise<Decoding>;
}

/** A model that sees. */
export interface Encoder {
  /** Milliseconds for one picture: RGBA, of the side the backbone takes. */
  encode(picture: ImageData): Promise<number>;
}

/** Arrival times of tokens at the page. */
export class Stopwatch {
  readonly #start = performance.now();
  #first = 0;
  #last = 0;
  #count = 0;

  /** A token has arrived. */
  token(): void {
    this.#last = performance.now();
    if (this.#count === 0) this.#first = this.#last;
    this.#count += 1;
  }

  /** `newTokens` may be more than arrivals: some engines hold back the bytes of unfinished characters. */
  finish(text: string, promptTokens: number, newTokens: number): Decoding {
    return {
      text,
      promptTokens,
      newTokens,
      firstTokenMs: this.#first - this.#start,
      msPerToken: (this.#last - this.#first) / (newTokens - 1),
    };
  }
}
