/** A folder of pictures with texts, of which the nearest to a query become its examples (RICES). */

import type { Flamingo, SupportSet } from "flamingo-web";
import { brief, MediaError } from "../errors.js";
import { coverOf, type Medium } from "../media/medium.js";
import type { NewExample } from "./board.js";

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
        throw new MediaError(`${brief(medium.name)}: ${brief(reason, 400)}`, { cause });
      }
      this.#looked += 1;
      this.#onChange();
    }
  }
}
