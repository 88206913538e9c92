/** A folder of pictures with texts, of which the nearest to a query become its examples (RICES). */

import type { Flamingo, SupportSet } from "flamingo-web";
import { MediaError, PageError } from "../errors.js";
import { coverOf, type Medium } from "../media/medium.js";
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

/** How far the model has looked through the folder. */
export interface Looking {
  readonly looked: number;
  readonly total: number;
}

export class SupportFolder {
  readonly name: string;
  /** Everything in it. */
  readonly examples: readonly NewExample[];
  /** How many examples a query gets. */
  count = 4;
  #set: { readonly model: Flamingo; readonly set: SupportSet; filled: Promise<void> } | undefined;
  #looked = 0;
  #nearest: readonly NewExample[] = [];
  readonly #onChange: () => void;

  constructor(name: string, examples: readonly NewExample[], onChange: () => void) {
    this.name = name;
    this.examples = examples;
    this.#onChange = onChange;
  }

  /** The examples that the last query got, the most similar last. */
  get nearest(): readonly NewExample[] {
    return this.#nearest;
  }

  get looking(): Looking {
    return { looked: this.#looked, total: this.examples.length };
  }

  /** The examples for a query: the same list as before where they are the same. */
  async nearestTo(
    model: Flamingo,
    medium: Medium,
    signal: AbortSignal,
  ): Promise<readonly NewExample[]> {
    const set = await this.look(model);
    const entries = await set.nearest(coverOf(medium), this.count, { signal });
    const nearest = entries.flatMap(({ index }) => this.examples[index] ?? []);
    const same =
      nearest.length === this.#nearest.length &&
      nearest.every((example, i) => example === this.#nearest[i]);
    if (!same) this.#nearest = nearest;
    this.#onChange();
    return this.#nearest;
  }

  /** Has the model look at every picture, once. */
  async look(model: Flamingo): Promise<SupportSet> {
    if (this.#set?.model !== model) {
      this.dispose();
      const set = model.supportSet();
      this.#set = { model, set, filled: this.#fill(set) };
    }
    const { set, filled } = this.#set;
    try {
      await filled;
    } catch (error) {
      // The next query tries again.
      if (this.#set?.set === set) this.dispose();
      throw error;
    }
    return set;
  }

  /** Forgets what the model saw. */
  dispose(): void {
    this.#set?.set.dispose();
    this.#set = undefined;
  }

  async #fill(set: SupportSet): Promise<void> {
    this.#looked = 0;
    for (const { medium, question, text } of this.examples) {
      try {
        await set.add(coverOf(medium), { image: medium.name, question, text });
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new MediaError(`${medium.name}: ${reason}`, { cause });
      }
      this.#looked += 1;
      this.#onChange();
    }
  }
}

/**
 * Pairs the pictures of a folder with their texts.
 *
 * @throws a {@link SupportFolderError} where there is nothing to pair.
 */
export async function readFolder(files: readonly File[]): Promise<NewExample[]> {
  const pictures = new Map(
    files.filter(({ type }) => type.startsWith("image/")).map((file) => [pathOf(file), file]),
  );
  if (pictures.size === 0) throw new SupportFolderError("There are no pictures in the folder");
  const list = files.find(({ name }) => name === "captions.jsonl");
  const examples =
    list === undefined
      ? await pairedByName(pictures, files)
      : listed(pictures, await list.text(), folderOf(pathOf(list)));
  if (examples.length === 0) throw new SupportFolderError("No picture of the folder has a text");
  return examples;
}

function listed(pictures: ReadonlyMap<string, File>, lines: string, folder: string): NewExample[] {
  return lines
    .split("\n")
    .map((line, i) => ({ line: line.trim(), place: `line ${i + 1} of captions.jsonl` }))
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
      const file = pictures.get(`${folder}${image}`);
      if (file === undefined) {
        throw new SupportFolderError(`${place} names ${image}, which is not in the folder`);
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
  for (const [path, file] of pictures) {
    const text = await texts.get(stemOf(path))?.text();
    if (text === undefined) continue;
    examples.push({
      medium: { name: file.name, frames: [file] },
      question: "",
      text: text.trim(),
    });
  }
  return examples;
}

const pathOf = (file: File): string => file.webkitRelativePath || file.name;
const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/") + 1);
const stemOf = (path: string): string => path.replace(/\.[^./]*$/, "");
