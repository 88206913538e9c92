/** Messages of the Prompt API, checked as it says, and what they make of a talk. */

import { type Question, SILENCE, type Turn, together } from "../dialogue/turn.js";
import type { ImageSource } from "../types.js";
import { exception, notSupported } from "./exceptions.js";
import { pictureOf } from "./picture.js";

/** Who says a message; our models know no `system`. */
export type MessageRole = "system" | "user" | "assistant";

/** The content types that the interface names; of which our models read `text` and `image`. */
export type MessageType = "text" | "image" | "audio" | "tool-call" | "tool-response";

/** A part of a message. */
export interface MessageContent {
  /** `text` or `image`; others are refused. */
  readonly type: MessageType;
  /** A text, or a picture: any `ImageBitmapSource` or `BufferSource`. */
  readonly value: unknown;
}

/** A message. */
export interface Message {
  /** `user` or `assistant`; `system` is refused. */
  readonly role: MessageRole;
  /** A text, or its parts: texts that follow one another are one. */
  readonly content: string | readonly MessageContent[];
  /** Of the last message, by the `assistant`: how the answer begins. */
  readonly prefix?: boolean;
}

/** Messages; a text is one of the user's. */
export type Prompt = string | readonly Message[];

/** A message whose pictures were taken. */
export interface Heard {
  /** Whose it is. */
  readonly role: "user" | "assistant";
  /** Its pictures, in their order. */
  readonly images: readonly Promise<ImageSource>[];
  /** Its texts, as one. */
  readonly text: string;
  /** Whether it is the beginning of the answer. */
  readonly prefix: boolean;
}

const ROLES = ["system", "user", "assistant"];
const TYPES = ["text", "image", "audio", "tool-call", "tool-response"];

/**
 * Checks messages and takes their pictures as they are now.
 *
 * @throws a `TypeError` or `DOMException`, as the Prompt API says.
 */
export function heard(input: unknown, expected: ReadonlySet<MessageType>): Heard[] {
  if (typeof input === "string") return [{ role: "user", images: [], text: input, prefix: false }];
  if (typeof input !== "object" || input === null || !(Symbol.iterator in input)) {
    throw new TypeError("A prompt is a text or a list of messages.");
  }
  const messages = [...(input as Iterable<unknown>)];
  if (messages.length === 0) return [{ role: "user", images: [], text: "", prefix: false }];
  return messages.map((message, i) => heardOne(message, i === messages.length - 1, expected));
}

function heardOne(message: unknown, last: boolean, expected: ReadonlySet<MessageType>): Heard {
  const { role, content, prefix = false } = (message ?? {}) as Partial<Message>;
  if (role === undefined || !ROLES.includes(role)) {
    throw new TypeError(`A message's role is one of ${ROLES.join(", ")}, not ${String(role)}.`);
  }
  if (content === undefined || content === null) throw new TypeError("A message has a content.");
  if (prefix && !(role === "assistant" && last)) {
    throw exception("SyntaxError", "Only the assistant's last message can be a prefix.");
  }
  if (role === "system") {
    throw notSupported(
      "Flamingo models follow examples and no instructions: give initialPrompts of user and assistant instead of a system prompt.",
    );
  }
  const parts = typeof content === "string" ? [{ type: "text", value: content }] : [...content];
  const images: Promise<ImageSource>[] = [];
  let text = "";
  for (const part of parts) {
    const { type, value } = (part ?? {}) as Partial<MessageContent>;
    if (type === undefined || !TYPES.includes(type)) {
      throw new TypeError(`A content's type is one of ${TYPES.join(", ")}, not ${String(type)}.`);
    }
    if (role === "assistant" && type !== "text") {
      throw notSupported("The assistant's messages are texts.");
    }
    if (type === "text") {
      if (typeof value !== "string") throw new TypeError("A content of type text is a string.");
      text += value;
    } else if (type === "image") {
      if (!expected.has("image")) {
        throw notSupported('Create the session with expectedInputs: [{ type: "image" }].');
      }
      const picture = pictureOf(value);
      if (picture === undefined) throw new TypeError("A content of type image is a picture.");
      // It is thrown where the message is read.
      picture.catch(() => {});
      images.push(picture);
    } else {
      throw notSupported(`Flamingo models read texts and pictures, no ${type}.`);
    }
  }
  return { role, images, text, prefix };
}

/** A talk so far. */
export interface Talk {
  /** What was said and answered. */
  readonly turns: readonly Turn[];
  /** What the user said and got no answer to. */
  readonly open: Question;
}

/** A talk in which messages were said. `prefix` is how the answer begins. */
export async function talkAfter(
  { turns: before, open: said }: Talk,
  messages: readonly Heard[],
): Promise<Talk & { readonly prefix: string }> {
  const turns = [...before];
  let open = said;
  let prefix = "";
  for (const { role, images, text, prefix: begins } of messages) {
    if (role === "user") {
      open = together(open, { images: await Promise.all(images), text });
    } else if (begins) {
      prefix = text;
    } else {
      turns.push({ ...open, answer: text });
      open = SILENCE;
    }
  }
  return { turns, open, prefix };
}
