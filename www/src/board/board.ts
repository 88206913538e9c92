/** The examples of one view, as the user arranges them. */

import type { Medium } from "../media/medium.js";

/** A picture or a clip with the text that the model should have written for it. */
export interface Example {
  /** Tells one card from another. */
  readonly id: number;
  readonly medium: Medium;
  /** What is asked about it; empty where the examples ask nothing. */
  readonly question: string;
  readonly text: string;
}

/** An example that is not on a board yet. */
export type NewExample = Omit<Example, "id">;

/** How many steps can be undone. */
const HISTORY = 50;

export class Board {
  #examples: readonly Example[] = [];
  #past: { readonly examples: readonly Example[]; readonly step: string }[] = [];
  #lastId = 0;
  readonly #listeners = new Set<() => void>();

  /** Another array after every change, and the same as long as nothing does. */
  get examples(): readonly Example[] {
    return this.#examples;
  }

  /** What {@link undo} would take back, in words; `undefined` where there is nothing. */
  get undoable(): string | undefined {
    return this.#past.at(-1)?.step.replace(/:.*/, "");
  }

  /** Calls `listener` after every change, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(examples: readonly NewExample[]): void {
    const added = examples.map((example) => ({ ...example, id: ++this.#lastId }));
    this.#change([...this.#examples, ...added], "adding");
  }

  /** Takes the examples of an earlier visit; that is no step to be undone. */
  restore(examples: readonly NewExample[]): void {
    this.#examples = examples.map((example) => ({ ...example, id: ++this.#lastId }));
    this.#tell();
  }

  /** Puts others in place of all. */
  replace(examples: readonly NewExample[]): void {
    this.#change(
      examples.map((example) => ({ ...example, id: ++this.#lastId })),
      "replacing all",
    );
  }

  /** What is typed in one field is undone as a whole. */
  edit(id: number, field: "question" | "text", value: string): void {
    const examples = this.#examples.map((example) =>
      example.id === id ? { ...example, [field]: value } : example,
    );
    this.#change(examples, `typing:${id} ${field}`);
  }

  /** Moves an example to a place, counted from 0. */
  move(id: number, place: number): void {
    const moved = this.#examples.find((example) => example.id === id);
    if (moved === undefined || place < 0 || place >= this.#examples.length) return;
    const examples = this.#examples.filter((example) => example !== moved);
    examples.splice(place, 0, moved);
    this.#change(examples, "moving");
  }

  /** Puts a copy behind an example. */
  duplicate(id: number): void {
    const examples = this.#examples.flatMap((example) =>
      example.id === id ? [example, { ...example, id: ++this.#lastId }] : [example],
    );
    this.#change(examples, "duplicating");
  }

  remove(id: number): void {
    this.#change(
      this.#examples.filter((example) => example.id !== id),
      "removing",
    );
  }

  undo(): void {
    const last = this.#past.pop();
    if (last === undefined) return;
    this.#examples = last.examples;
    this.#tell();
  }

  #change(examples: readonly Example[], step: string): void {
    const typing = step.startsWith("typing:") && this.#past.at(-1)?.step === step;
    if (!typing) this.#past = [...this.#past, { examples: this.#examples, step }].slice(-HISTORY);
    this.#examples = examples;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
