/** A model of words in place of a real one, for what is built upon sessions. */

import { CaptionStream } from "../caption-stream.js";
import { AbortedError, PromptTooLongError } from "../errors.js";
import type { Flamingo } from "../flamingo.js";
import type { AskOptions, CaptionOptions, DecideOptions, SessionOptions } from "../session.js";
import type {
  Caption,
  GenerateOptions,
  ImageSource,
  JsonSchema,
  PromptPart,
  TokenPiece,
} from "../types.js";

/** What a test reads of, and writes into, a fake model. */
export interface FakeTalk {
  readonly model: Flamingo;
  /** Every prompt that was read, as text; a picture is its first byte in brackets. */
  readonly prompts: string[];
  /** The options of the last answer. */
  options: GenerateOptions | DecideOptions | undefined;
  /** What is answered, piece by piece. */
  answer: string[];
  /** Answers end when it resolves. */
  gate: Promise<void>;
  /** What the caption says of its constraint. */
  meetsConstraint: boolean | undefined;
  /** Sessions that were not disposed of. */
  alive: number;
}

/** A model that reads at most `context` tokens, which are words and pictures. */
export function fakeTalk({ context = 100 } = {}): FakeTalk {
  const fake: FakeTalk = {
    model: { session } as unknown as Flamingo,
    prompts: [],
    options: undefined,
    answer: [" a", " dog"],
    gate: Promise.resolve(),
    meetsConstraint: undefined,
    alive: 0,
  };

  function session({ task, shots = [] }: SessionOptions = {}) {
    const template = typeof task === "object" ? task.template : "<image>{answer}";
    const turns: string[] = shots.map(({ image, question = "", text }) =>
      template
        .replace("<image>", image === undefined ? "" : nameOf(image))
        .replace("{question}", question)
        .replace("{answer}", text)
        .replaceAll("<|endofchunk|>", ""),
    );
    const asked = (image: ImageSource | null, question: string) =>
      template
        .replace(/\{answer\}.*$/s, "")
        .replace("<image>", image === null ? "" : nameOf(image))
        .replace("{question}", question);
    fake.alive += 1;
    const told = (prompt: string, options: CaptionOptions, after: (text: string) => void) =>
      new CaptionStream(async (onPiece, signal) => {
        fake.prompts.push(prompt);
        const { signal: _, ...generate } = options;
        fake.options = generate;
        const caption = await write(fake, onPiece, signal);
        after(caption.text);
        return caption;
      }, options.signal);
    return {
      opened: Promise.resolve(),
      ask(image: ImageSource | null, question: string, options: AskOptions) {
        const query = asked(image, question);
        return told([...turns, query].join(""), options, (text) => {
          if (options.remember) turns.push(`${query}${text}\n`);
        });
      },
      generate: (parts: readonly PromptPart[], options: CaptionOptions) =>
        told(parts.map(textOf).join(""), options, () => {}),
      async countTokens(parts: readonly PromptPart[]) {
        const text = parts.map(textOf).join("");
        const words = text
          .replaceAll(/\[.*?\]/g, " [] ")
          .split(/\s+/)
          .filter(Boolean);
        if (words.length > context) {
          throw new PromptTooLongError({ reason: `${words.length} tokens are too many` });
        }
        return words.length;
      },
      async decide(image: ImageSource | null, schema: JsonSchema, options: DecideOptions) {
        if (options.signal?.aborted) throw new AbortedError();
        fake.options = options;
        fake.prompts.push([...turns, asked(image, options.question ?? "")].join(""));
        const value = "enum" in schema ? (schema.enum as unknown[])[0] : schema;
        const leaves = [{ path: "", value, probability: 0.75 }];
        return { value, probability: 0.75, leaves };
      },
      async choose(image: ImageSource | null, choices: string[], { question = "" }) {
        fake.prompts.push([...turns, asked(image, question)].join(""));
        // The first is the likeliest by far.
        const weights = choices.map((_, i) => 0.5 ** (i + 1));
        const sum = weights.reduce((a, b) => a + b);
        return choices.map((text, i) => ({ text, probability: (weights[i] ?? 0) / sum }));
      },
      dispose: () => {
        fake.alive -= 1;
      },
    };
  }
  return fake;
}

const textOf = (part: PromptPart): string => {
  if (typeof part === "string") return part;
  if ("endOfChunk" in part) return "";
  return "image" in part ? nameOf(part.image) : "[clip]";
};

const nameOf = (image: ImageSource): string => {
  const bytes = image instanceof Uint8Array ? image : "data" in image ? image.data : [];
  return `[${bytes[0] ?? "file"}]`;
};

async function write(
  fake: FakeTalk,
  onPiece: (piece: TokenPiece) => void,
  signal: AbortSignal,
): Promise<Caption> {
  for (const text of fake.answer) {
    onPiece({ id: 0, text, logProbability: -1, elapsedMs: 1, alternatives: [] });
  }
  await Promise.race([
    fake.gate,
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(new AbortedError()));
    }),
  ]);
  if (signal.aborted) throw new AbortedError();
  return {
    text: fake.answer.join("").trim(),
    tokenIds: fake.answer.map(() => 0),
    stopReason: "end_of_chunk",
    reusedTokens: 0,
    timings: { encodeMs: 1, prefillMs: 1, firstTokenMs: 1, decodeMsPerToken: 1 },
    ...(fake.meetsConstraint !== undefined && { meetsConstraint: fake.meetsConstraint }),
  };
}
