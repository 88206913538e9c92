/** The pictures of a folder with their texts. */

import { brief, PageError } from "../errors.js";
import { kindOf } from "../media/file-kind.js";
import { byNumber, isLeftBySystem } from "../media/file-name.js";
import { textOf } from "../parts/text-file.js";
import type { NewExample } from "./board.js";

/** A folder holds no pictures with texts. */
export class SupportFolderError extends PageError {
  readonly code = "support-folder";

  constructor(problem: string, options?: ErrorOptions) {
    super(
      `${problem}. A folder needs pictures, and their texts in captions.jsonl ({"image": "a.jpg", "text": "…"} a line) or in text files of the same name (a.txt).`,
      options,
    );
  }
}

/**
 * Pairs the pictures of a folder with their texts.
 *
 * @throws a {@link SupportFolderError} where there is nothing to pair.
 */
export async function readFolder(files: readonly File[]): Promise<NewExample[]> {
  const meant = files
    .filter((file) => !isLeftBySystem(pathOf(file)))
    .sort((a, b) => byNumber(pathOf(a), pathOf(b)));
  const pictures = new Map<string, File>();
  for (const file of meant) {
    if ((await kindOf(file)) === "picture") pictures.set(pathOf(file), file);
  }
  if (pictures.size === 0) throw new SupportFolderError("There are no pictures in the folder");
  const list = meant.find(({ name }) => name === "captions.jsonl");
  const examples =
    list === undefined
      ? await pairedByName(pictures, meant)
      : listed(pictures, await readText(list), folderOf(pathOf(list)));
  if (examples.length === 0) throw new SupportFolderError("No picture of the folder has a text");
  return examples;
}

/** The text of a file, which is named where it has none. */
const readText = (file: File): Promise<string> =>
  textOf(
    file,
    (reason, options) => new SupportFolderError(`${file.name} cannot be read: ${reason}`, options),
  );

function listed(pictures: ReadonlyMap<string, File>, lines: string, folder: string): NewExample[] {
  return lines
    .split("\n")
    .map((line, i) => ({ line: line.trim(), place: `captions.jsonl:${i + 1}` }))
    .filter(({ line }) => line !== "")
    .map(({ line, place }) => {
      let entry: { image?: unknown; text?: unknown; question?: unknown } | null;
      try {
        entry = JSON.parse(line);
      } catch (cause) {
        throw new SupportFolderError(`${place} is no JSON`, { cause });
      }
      const { image, text, question = "" } = entry ?? {};
      if (typeof image !== "string" || typeof text !== "string" || typeof question !== "string") {
        throw new SupportFolderError(`${place} lacks its "image" or its "text"`);
      }
      const file = pictures.get(`${folder}${image.replace(/^(\.\/)+/, "")}`);
      if (file === undefined) {
        throw new SupportFolderError(
          `${place} names ${JSON.stringify(brief(image))}, which is no picture of the folder`,
        );
      }
      return { medium: { name: file.name, frames: [file] }, question, text };
    });
}

async function pairedByName(
  pictures: ReadonlyMap<string, File>,
  files: readonly File[],
): Promise<NewExample[]> {
  const texts = new Map(
    files.filter(({ name }) => name.endsWith(".txt")).map((file) => [stemOf(pathOf(file)), file]),
  );
  const examples: NewExample[] = [];
  for (const [path, picture] of pictures) {
    const file = texts.get(stemOf(path));
    if (file === undefined) continue;
    const text = await readText(file);
    examples.push({
      medium: { name: picture.name, frames: [picture] },
      question: "",
      text: text.trim(),
    });
  }
  return examples;
}

const pathOf = (file: File): string => file.webkitRelativePath || file.name;
const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/") + 1);
const stemOf = (path: string): string => path.replace(/\.[^./]*$/, "");
