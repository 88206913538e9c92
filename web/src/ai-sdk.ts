/**
 * A provider for the AI SDK: Flamingo models in the tab.
 *
 * ```ts
 * import { generateText } from "ai";
 * import { createFlamingo } from "flamingo-web/ai-sdk";
 *
 * const flamingo = createFlamingo();
 * const { text } = await generateText({
 *   model: flamingo("/models/flamingo-smollm2-135m/model.json"),
 *   messages: [
 *     { role: "user", content: [{ type: "file", mediaType: "image", data: shot }] },
 *     { role: "assistant", content: "A dog in the snow" },
 *     { role: "user", content: [{ type: "file", mediaType: "image", data: photo }] },
 *   ],
 * });
 * ```
 *
 * Messages of user and assistant are shots. System messages and tools are refused: our models follow
 * neither.
 */

import {
  type Experimental_DecisionModelV4,
  type LanguageModelV4,
  NoSuchModelError,
  type ProviderV4,
} from "@ai-sdk/provider";
import { decisionModelOf } from "./ai-sdk/decision-model.js";
import { languageModelOf, type ModelParts } from "./ai-sdk/language-model.js";
import type { SessionMaker } from "./dialogue/dialogue.js";
import { type Templates, templatesOf } from "./dialogue/template.js";
import { Flamingo, type LoadOptions } from "./flamingo.js";

export type { Templates } from "./dialogue/template.js";

/** How models are loaded, and asked. */
export interface FlamingoProviderOptions extends Omit<LoadOptions, "signal"> {
  /** Models that are loaded, or at other addresses, by the names that they are to have. */
  readonly models?: Readonly<Record<string, Flamingo | string | URL>>;
  /**
   * How a turn is put to the model: one text for all, or one for turns with a text and one for turns
   * of pictures alone. OpenFlamingo's by default.
   */
  readonly template?: string | Partial<Templates>;
}

/** The provider. A model's id is a name of `models`, or the address of its `model.json`. */
export interface FlamingoProvider extends ProviderV4 {
  (modelId: string): LanguageModelV4;
  /** A model that compares answers: for `experimental_decide`. */
  decisionModel(modelId: string): Experimental_DecisionModelV4;
}

/** Makes a provider. Each model is loaded when it is first asked, and stays. */
export function createFlamingo(options: FlamingoProviderOptions = {}): FlamingoProvider {
  const { models = {}, template, ...load } = options;
  const templates = templatesOf(template);
  const loading = new Map<string, Promise<SessionMaker>>();

  const partsOf = (modelId: string): ModelParts => ({
    modelId,
    templates,
    load: () => {
      const source = Object.hasOwn(models, modelId) ? models[modelId] : modelId;
      if (isModel(source)) return Promise.resolve(source);
      const known = loading.get(modelId) ?? Flamingo.load(source ?? modelId, load);
      loading.set(modelId, known);
      // Who asks again has it tried again.
      known.catch(() => loading.delete(modelId));
      return known;
    },
  });
  const none = (modelType: "embeddingModel" | "imageModel") => (modelId: string) => {
    throw new NoSuchModelError({ modelId, modelType });
  };
  const languageModel = (modelId: string) => languageModelOf(partsOf(modelId));
  return Object.assign(languageModel.bind(undefined), {
    specificationVersion: "v4" as const,
    languageModel,
    decisionModel: (modelId: string) => decisionModelOf(partsOf(modelId)),
    embeddingModel: none("embeddingModel"),
    imageModel: none("imageModel"),
  });
}

function isModel(source: unknown): source is SessionMaker {
  return typeof source === "object" && source !== null && "session" in source;
}
