/** A board as one JSON file, pictures included. */

import { PageError } from "../errors.js";
import { kindOfBytes } from "../media/file-kind.js";
import { textOf } from "../parts/text-file.js";
import type { BoardContent, NewExample } from "./board.js";

const FORMAT = "flamingo-examples";
const VERSION = 1;

/** A file is no board. The message names the place in it. */
export class BoardFileError extends PageError {
  readonly code = "board-file";

  constructor(problem: string, options?: ErrorOptions) {
    super(
      `The file cannot be imported: ${problem}. Choose one that was exported from a board.`,
      options,
    );
  }
}

/** The file of a board. */
export async function writeBoardFile({ asks, examples }: BoardContent): Promise<Blob> {
  const written = examples.map(async ({ medium, question, text }) => ({
    name: medium.name,
    frames: await Promise.all(medium.frames.map(dataUrlOf)),
    ...(question === "" ? {} : { question }),
    text,
  }));
  const content = { format: FORMAT, version: VERSION, asks, examples: await Promise.all(written) };
  return new Blob([JSON.stringify(content, null, 1)], { type: "application/json" });
}

/**
 * Reads a board.
 *
 * @throws a {@link BoardFileError} where the file is none.
 */
export async function readBoardFile(file: Blob): Promise<BoardContent> {
  const text = await textOf(file, (reason, options) => new BoardFileError(reason, options));
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new BoardFileError("it is no JSON", { cause });
  }
  const { format, version, asks, examples } = objectAt(content, "the file");
  if (format !== FORMAT) throw new BoardFileError(`its "format" is not "${FORMAT}"`);
  if (version !== VERSION) {
    throw new BoardFileError(`it is of version ${String(version)}, and this page reads ${VERSION}`);
  }
  if (typeof asks !== "boolean") throw new BoardFileError('"asks" is neither true nor false');
  if (!Array.isArray(examples)) throw new BoardFileError('"examples" is no list');
  return { asks, examples: examples.map(exampleAt) };
}

function exampleAt(value: unknown, i: number): NewExample {
  const place = `examples[${i}]`;
  const { name, frames, question = "", text } = objectAt(value, place);
  if (!Array.isArray(frames) || frames.length === 0) {
    throw new BoardFileError(`${place}.frames is no list of pictures`);
  }
  return {
    medium: {
      name: stringAt(name, `${place}.name`),
      frames: frames.map((frame, j) => pictureAt(frame, `${place}.frames[${j}]`)),
    },
    question: stringAt(question, `${place}.question`),
    text: stringAt(text, `${place}.text`),
  };
}

function objectAt(value: unknown, place: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BoardFileError(`${place} is no object`);
  }
  return value as Record<string, unknown>;
}

function stringAt(value: unknown, place: string): string {
  if (typeof value !== "string") throw new BoardFileError(`${place} is no text`);
  return value;
}

function pictureAt(value: unknown, place: string): Blob {
  const [, type = "", base64 = ""] =
    /^data:([^;,]*)(?:;[^;,]*)*;base64,(.*)$/s.exec(stringAt(value, place)) ?? [];
  let letters: string;
  try {
    letters = atob(base64);
  } catch (cause) {
    throw new BoardFileError(`${place} is not in base64`, { cause });
  }
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  // What a file is its bytes say; the types in a board are those that its files came with.
  if (kindOfBytes(bytes) !== "picture") throw new BoardFileError(`${place} is no picture`);
  return new Blob([bytes], { type });
}

/** Browsers encode off the page's thread. */
function dataUrlOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () =>
      reject(
        new BoardFileError("a picture can no longer be read; its file may have moved", {
          cause: reader.error,
        }),
      );
    reader.readAsDataURL(blob);
  });
}
