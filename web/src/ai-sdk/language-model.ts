/** A Flamingo model as a language model of the AI SDK. */

import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
  SharedV4Warning,
} from "@ai-sdk/provider";
import { Dialogue, type SessionMaker } from "../dialogue/dialogue.js";
import type { Templates } from "../dialogue/template.js";
import { trimmed } from "../dialogue/trimmed.js";
import type { CaptionOptions } from "../session.js";
import type { Caption, StopReason } from "../types.js";
import { type Asked, askedBy, unsupported } from "./prompt.js";

/** What models are made of. */
export interface ModelParts {
  readonly modelId: string;
  readonly templates: Templates;
  /** Loads the model when it is first asked. */
  readonly load: () => Promise<SessionMaker>;
}

/** Name of the provider, and of its part of metadata. */
export const PROVIDER = "flamingo";

/** What an answer is made of. */
interface Call {
  readonly asked: Asked;
  readonly schema: Readonly<Record<string, unknown>> | undefined;
  readonly options: CaptionOptions;
  readonly warnings: SharedV4Warning[];
}

/** An answer that was given, whichever way. */
interface Answered {
  readonly text: string;
  readonly finishReason: LanguageModelV4FinishReason;
  readonly usage: LanguageModelV4Usage;
  readonly providerMetadata: SharedV4ProviderMetadata;
}

/** Makes the language model. */
export function languageModelOf({ modelId, templates, load }: ModelParts): LanguageModelV4 {
  /** Answers a call; `onPiece` gets the text as it grows. */
  const answer = async (call: Call, onPiece: (piece: string) => void): Promise<Answered> => {
    const dialogue = new Dialogue(await load(), templates);
    try {
      return call.schema === undefined
        ? await write(dialogue, call, onPiece)
        : await decide(dialogue, call, call.schema, onPiece);
    } finally {
      dialogue.dispose();
    }
  };
  return {
    specificationVersion: "v4",
    provider: PROVIDER,
    modelId,
    // The AI SDK fetches pictures by itself.
    supportedUrls: {},

    async doGenerate(options): Promise<LanguageModelV4GenerateResult> {
      const call = callOf(options);
      const { text, ...rest } = await answer(call, () => {});
      const content = [{ type: "text" as const, text }];
      return { content, ...rest, warnings: call.warnings, response: { modelId } };
    },

    async doStream(options): Promise<LanguageModelV4StreamResult> {
      const call = callOf(options);
      const left = new AbortController();
      const signals = [left.signal, ...(call.options.signal ? [call.options.signal] : [])];
      const stoppable = { ...call.options, signal: AbortSignal.any(signals) };
      const stream = new ReadableStream<LanguageModelV4StreamPart>({
        async start(controller) {
          controller.enqueue({ type: "stream-start", warnings: call.warnings });
          controller.enqueue({ type: "response-metadata", modelId });
          controller.enqueue({ type: "text-start", id: TEXT });
          try {
            const onPiece = (delta: string) =>
              controller.enqueue({ type: "text-delta", id: TEXT, delta });
            const { text: _, ...rest } = await answer({ ...call, options: stoppable }, onPiece);
            controller.enqueue({ type: "text-end", id: TEXT });
            controller.enqueue({ type: "finish", ...rest });
            controller.close();
          } catch (error) {
            // Nobody listens to a stream that was left.
            if (!left.signal.aborted) controller.error(error);
          }
        },
        cancel: (reason) => left.abort(reason),
      });
      return { stream };
    },
  };
}

/** There is one text in an answer. */
const TEXT = "0";

async function write(
  dialogue: Dialogue,
  { asked: { turns, question }, options }: Call,
  onPiece: (piece: string) => void,
): Promise<Answered> {
  const tokens = await dialogue.count(turns, question, "", options.signal);
  const writing = dialogue.ask(turns, question, "", options);
  const texts = async function* () {
    for await (const { text } of writing) yield text;
  };
  for await (const piece of trimmed(texts())) onPiece(piece);
  const caption = await writing.result;
  return {
    text: caption.text,
    finishReason: finishOf(caption.stopReason),
    usage: usageOf(tokens, caption),
    providerMetadata: { [PROVIDER]: { timings: { ...caption.timings } } },
  };
}

async function decide(
  dialogue: Dialogue,
  { asked: { turns, question }, options }: Call,
  schema: Readonly<Record<string, unknown>>,
  onPiece: (piece: string) => void,
): Promise<Answered> {
  const { maxNewTokens, signal } = options;
  const tokens = await dialogue.count(turns, question, "", signal);
  const { value, probability, leaves } = await dialogue.decide(turns, question, schema, {
    ...(maxNewTokens !== undefined && { maxNewTokens }),
    ...(signal !== undefined && { signal }),
  });
  const text = JSON.stringify(value);
  onPiece(text);
  return {
    text,
    finishReason: { unified: "stop", raw: "decided" },
    // Most of a value is compared and not written.
    usage: usageOf(tokens, undefined),
    providerMetadata: {
      [PROVIDER]: {
        probability,
        leaves: leaves.map(({ parts, ...leaf }) => ({
          ...leaf,
          ...(parts !== undefined && { parts: { ...parts } }),
        })),
      },
    },
  };
}

function callOf(options: LanguageModelV4CallOptions): Call {
  const { responseFormat, tools = [], reasoning = "provider-default" } = options;
  const { maxOutputTokens, temperature, topP, topK, seed, stopSequences, abortSignal } = options;
  if (tools.length > 0) throw unsupported("tools", "Flamingo models call none.");
  let schema: Readonly<Record<string, unknown>> | undefined;
  if (responseFormat?.type === "json") {
    if (responseFormat.schema === undefined) {
      throw unsupported("JSON of no schema", "Give the output a schema.");
    }
    schema = responseFormat.schema as Readonly<Record<string, unknown>>;
  }
  const warnings: SharedV4Warning[] = [];
  const without = (feature: string, is: boolean) => {
    if (is) warnings.push({ type: "unsupported", feature });
  };
  without("presencePenalty", (options.presencePenalty ?? 0) !== 0);
  without("frequencyPenalty", (options.frequencyPenalty ?? 0) !== 0);
  without("reasoning", !["provider-default", "none"].includes(reasoning));
  return {
    asked: askedBy(options.prompt),
    schema,
    warnings,
    options: {
      ...(maxOutputTokens !== undefined && { maxNewTokens: maxOutputTokens }),
      ...(temperature !== undefined && { temperature }),
      ...(topP !== undefined && { topP }),
      ...(topK !== undefined && { topK }),
      ...(seed !== undefined && { seed }),
      ...(stopSequences !== undefined && { stop: stopSequences }),
      ...(abortSignal !== undefined && { signal: abortSignal }),
    },
  };
}

const FINISH: Readonly<Record<StopReason, LanguageModelV4FinishReason["unified"]>> = {
  end_of_chunk: "stop",
  stop_text: "stop",
  max_new_tokens: "length",
  context_full: "length",
  aborted: "interrupted",
};

const finishOf = (reason: StopReason): LanguageModelV4FinishReason => ({
  unified: FINISH[reason],
  raw: reason,
});

function usageOf(read: number, caption: Caption | undefined): LanguageModelV4Usage {
  const cacheRead = caption?.reusedTokens ?? 0;
  const written = caption?.tokenIds.length;
  return {
    inputTokens: { total: read, noCache: read - cacheRead, cacheRead, cacheWrite: undefined },
    outputTokens: { total: written, text: written, reasoning: undefined },
  };
}
