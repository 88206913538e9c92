/** Messages of the AI SDK as a talk. */

import {
  type LanguageModelV4FilePart,
  type LanguageModelV4Prompt,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";
import { type Question, SILENCE, type Turn, together } from "../dialogue/turn.js";
import type { ImageSource } from "../types.js";

/** Turns, and the question behind them. */
export interface Asked {
  readonly turns: readonly Turn[];
  readonly question: Question;
}

/**
 * Reads messages.
 *
 * @throws an `UnsupportedFunctionalityError` for what the models cannot do.
 */
export function askedBy(prompt: LanguageModelV4Prompt): Asked {
  const turns: Turn[] = [];
  let question = SILENCE;
  for (const message of prompt) {
    if (message.role === "user") {
      const images: ImageSource[] = [];
      let text = "";
      for (const part of message.content) {
        if (part.type === "text") text += part.text;
        else images.push(imageOf(part));
      }
      question = together(question, { images, text });
    } else if (message.role === "assistant") {
      const texts = message.content.map((part) => {
        if (part.type === "text") return part.text;
        throw unsupported(`the assistant's ${part.type}`, "Its messages are texts.");
      });
      turns.push({ ...question, answer: texts.join("") });
      question = SILENCE;
    } else if (message.role === "system") {
      throw unsupported(
        "system messages",
        "Flamingo models follow examples and no instructions: give messages of user and assistant in front.",
      );
    } else {
      throw unsupported("tool messages", "Flamingo models call no tools.");
    }
  }
  return { turns, question };
}

/**
 * The picture of a part.
 *
 * @throws an `UnsupportedFunctionalityError` where it is none, or is not there.
 */
export function imageOf({ mediaType, data }: LanguageModelV4FilePart): ImageSource {
  if (mediaType !== "image" && !mediaType.startsWith("image/")) {
    throw unsupported(`files of the type ${mediaType}`, "Flamingo models see pictures.");
  }
  if (data.type !== "data") {
    throw unsupported(
      `pictures given by ${data.type}`,
      "Give the bytes, or an address that the AI SDK can download.",
    );
  }
  return typeof data.data === "string" ? bytesOf(data.data) : data.data;
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** An error for what cannot be done, with a sentence on what can. */
export function unsupported(functionality: string, remedy: string): UnsupportedFunctionalityError {
  const message = `flamingo-web does not support ${functionality}. ${remedy}`;
  return new UnsupportedFunctionalityError({ functionality, message });
}
