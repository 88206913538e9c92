/** How a talk becomes a prompt: each turn is an example of a template. */

import { InvalidOptionError } from "../errors.js";
import type { PromptPart } from "../types.js";
import type { Question, Turn } from "./turn.js";

/** Texts of one example, with `<image>`, `{question}`, `{answer}` and `<|endofchunk|>` in their places. */
export interface Templates {
  /** For turns with a text. */
  readonly question: string;
  /** For turns of pictures alone. */
  readonly caption: string;
}

/** OpenFlamingo's, which the default model was trained on. */
export const TEMPLATES: Templates = {
  question: "<image>Question:{question} Short answer:{answer}<|endofchunk|>\n",
  caption: "<image>Output:{answer}<|endofchunk|>\n",
};

const PLACES = /(<image>|\{question\}|\{answer\}|<\|endofchunk\|>)/;

/**
 * Completes templates; one text is for all turns.
 *
 * @throws an {@link InvalidOptionError} where one is none.
 */
export function templatesOf(given: string | Partial<Templates> = {}): Templates {
  const templates =
    typeof given === "string" ? { question: given, caption: given } : { ...TEMPLATES, ...given };
  for (const template of Object.values(templates)) {
    if (!template.includes("{answer}<|endofchunk|>")) {
      throw new InvalidOptionError({
        reason: `the template "${template}" has no {answer}<|endofchunk|>; OpenFlamingo's for questions is "${TEMPLATES.question}"`,
      });
    }
  }
  if (!templates.question.includes("{question}")) {
    throw new InvalidOptionError({
      reason: `the template "${templates.question}" has no {question}, so that nothing could be asked; OpenFlamingo's is "${TEMPLATES.question}"`,
    });
  }
  return templates;
}

/** The template of a turn. */
export const templateFor = (templates: Templates, { text }: Question): string =>
  text.trim() === "" ? templates.caption : templates.question;

/** The parts of a prompt that are turns with their answers. */
export function partsOfTurns(templates: Templates, turns: readonly Turn[]): PromptPart[] {
  return turns.flatMap((turn) => parts(templateFor(templates, turn), turn, turn.answer));
}

/** The parts of a prompt that ask: up to the answer, of which `prefix` is there already. */
export function partsOfQuestion(
  templates: Templates,
  question: Question,
  prefix: string,
): PromptPart[] {
  const template = templateFor(templates, question);
  const asked = template.slice(0, template.indexOf("{answer}"));
  return [...parts(asked, question, ""), ...(prefix === "" ? [] : [prefix])];
}

function parts(template: string, { images, text }: Question, answer: string): PromptPart[] {
  return template
    .split(PLACES)
    .flatMap((part): PromptPart[] => {
      if (part === "<image>") return images.map((image) => ({ image }));
      if (part === "{question}") return [text.trim()];
      if (part === "{answer}") return [answer.trim()];
      if (part === "<|endofchunk|>") return [{ endOfChunk: true }];
      return [part];
    })
    .filter((part) => part !== "");
}
