/** A Flamingo model as a decision model of the AI SDK: answers compared by their likelihood. */

import type {
  Experimental_DecisionModelV4 as DecisionModelV4,
  Experimental_DecisionModelV4Answer as DecisionModelV4Answer,
  Experimental_DecisionModelV4CallOptions as DecisionModelV4CallOptions,
  Experimental_DecisionModelV4Input as DecisionModelV4Input,
  Experimental_DecisionModelV4Question as DecisionModelV4Question,
} from "@ai-sdk/provider";
import { present } from "../invariant.js";
import type { Session } from "../session.js";
import type { ImageSource } from "../types.js";
import { type ModelParts, PROVIDER } from "./language-model.js";
import { imageOf, unsupported } from "./prompt.js";

/** Makes the decision model. */
export function decisionModelOf({ modelId, templates, load }: ModelParts): DecisionModelV4 {
  return {
    specificationVersion: "v4",
    provider: PROVIDER,
    modelId,
    supportedQuestionTypes: ["choice", "score", "boolean"],

    async doDecide({ state, questions, abortSignal }) {
      const { image, text } = seen(state);
      const model = await load();
      const session = model.session({ task: { template: templates.question } });
      try {
        const answers: Record<string, DecisionModelV4Answer> = {};
        for (const [id, question] of Object.entries(questions)) {
          const lines = [text, textOf(question.instructions)].filter((line) => line !== "");
          const asked = lines.join("\n") || id;
          answers[id] = await answerTo(question, (choices) =>
            likelihoods(session, image, choices, asked, abortSignal),
          );
        }
        return { answers, warnings: [], response: { modelId } };
      } finally {
        session.dispose();
      }
    },
  };
}

/** A picture at most, and what is said of it. */
function seen(state: DecisionModelV4CallOptions["state"]): {
  image: ImageSource | null;
  text: string;
} {
  const images: ImageSource[] = [];
  const texts: string[] = [];
  for (const part of state) {
    if (part.type === "text") texts.push(part.text);
    else if (part.type === "json") texts.push(textOf(part.value as DecisionModelV4Input));
    else images.push(imageOf(part));
  }
  if (images.length > 1) {
    throw unsupported("a state of several pictures", "Ask about one picture at a time.");
  }
  return { image: images[0] ?? null, text: texts.join("\n") };
}

type Likelihoods = (choices: readonly string[]) => Promise<readonly number[]>;

async function answerTo(
  question: DecisionModelV4Question,
  likelihoodsOf: Likelihoods,
): Promise<DecisionModelV4Answer> {
  if (question.type === "choice") {
    const keys = Object.keys(question.criteria);
    // What is said of a choice is what an answer would say; where nothing is, its name.
    const found = await likelihoodsOf(keys.map((key) => textOf(question.criteria[key]) || key));
    const probabilities = Object.fromEntries(keys.map((key, i) => [key, likelihood(found, i)]));
    const choice = present(keys[argmax(found)], "a choice is one of the keys");
    return { type: "choice", choice, probabilities };
  }
  if (question.type === "score") {
    const found = await likelihoodsOf(question.criteria.map((level, i) => textOf(level) || `${i}`));
    const probabilities = Object.fromEntries(found.map((probability, i) => [`${i}`, probability]));
    const score = found.reduce((sum, probability, i) => sum + i * probability, 0);
    return { type: "score", score, probabilities };
  }
  if (question.type === "boolean") {
    const { criteria } = question;
    const found = await likelihoodsOf([
      textOf(criteria?.true) || "yes",
      textOf(criteria?.false) || "no",
    ]);
    return { type: "boolean", probability: likelihood(found, 0) };
  }
  throw unsupported(`questions of the type ${question.type}`, "Ask for a choice, a score or yes.");
}

async function likelihoods(
  session: Session,
  image: ImageSource | null,
  choices: readonly string[],
  question: string,
  signal: AbortSignal | undefined,
): Promise<readonly number[]> {
  const options = { question, ...(signal !== undefined && { signal }) };
  const found = await session.choose(image, choices, options);
  return found.map(({ probability }) => probability);
}

const likelihood = (found: readonly number[], place: number): number =>
  present(found[place], "each choice has a likelihood");

const argmax = (numbers: readonly number[]): number => numbers.indexOf(Math.max(...numbers));

function textOf(input: DecisionModelV4Input | null | undefined): string {
  if (input === null || input === undefined) return "";
  return typeof input === "string" ? input : JSON.stringify(input);
}
