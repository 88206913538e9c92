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

/** What a board has on it. */
export interface BoardContent {
  /** Whether the examples ask a question each. */
  readonly asks: boolean;
  readonly examples: readonly NewExample[];
}

/** How many steps can be undone. */
const HISTORY = 50;

interface Snapshot {
  readonly asks: boolean;
  readonly examples: readonly Example[];
}

export class Board {
  #now: Snapshot;
  #past: { readonly before: Snapshot; readonly step: string }[] = [];
  #lastId = 0;
  #isKept = true;
  readonly #listeners = new Set<() => void>();

  constructor({ asks = false }: { readonly asks?: boolean } = {}) {
    this.#now = { asks, examples: [] };
  }

  /** Another array after every change, and the same as long as nothing does. */
  get examples(): readonly Example[] {
    return this.#now.examples;
  }

  /** Whether the examples ask a question each. */
  get asks(): boolean {
    return this.#now.asks;
  }

  /** Whether the browser keeps the examples for the next visit, as far as is known. */
  get isKept(): boolean {
    return this.#isKept;
  }

  set isKept(isKept: boolean) {
    if (isKept === this.#isKept) return;
    this.#isKept = isKept;
    this.#tell();
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
    const added = examples.map((example) => this.#numbered(example));
    this.#change([...this.examples, ...added], "adding");
  }

  /** Takes what an earlier visit left; that is no step to be undone. */
  restore({ asks, examples }: BoardContent): void {
    this.#now = { asks, examples: examples.map((example) => this.#numbered(example)) };
    this.#tell();
  }

  /** Puts others in place of all. */
  replace({ asks, examples }: BoardContent): void {
    this.#change(
      examples.map((example) => this.#numbered(example)),
      "replacing all",
      asks,
    );
  }

  /** Has the examples ask a question each, or none; what was typed is kept. */
  setAsks(asks: boolean): void {
    if (asks !== this.asks) this.#change(this.examples, "changing the task", asks);
  }

  /** What is typed in one field is undone as a whole. */
  edit(id: number, field: "question" | "text", value: string): void {
    const examples = this.examples.map((example) =>
      example.id === id ? { ...example, [field]: value } : example,
    );
    this.#change(examples, `typing:${id} ${field}`);
  }

  /** Moves an example to a place, counted from 0. */
  move(id: number, place: number): void {
    const moved = this.examples.find((example) => example.id === id);
    if (moved === undefined || place < 0 || place >= this.examples.length) return;
    const examples = this.examples.filter((example) => example !== moved);
    examples.splice(place, 0, moved);
    this.#change(examples, "moving");
  }

  /** Puts a copy behind an example. */
  duplicate(id: number): void {
    const examples = this.examples.flatMap((example) =>
      example.id === id ? [example, this.#numbered(example)] : [example],
    );
    this.#change(examples, "duplicating");
  }

  remove(id: number): void {
    this.#change(
      this.examples.filter((example) => example.id !== id),
      "removing",
    );
  }

  undo(): void {
    const last = this.#past.pop();
    if (last === undefined) return;
    this.#now = last.before;
    this.#tell();
  }

  #numbered(example: NewExample): Example {
    return { ...example, id: ++this.#lastId };
  }

  #change(examples: readonly Example[], step: string, asks = this.asks): void {
    const typing = step.startsWith("typing:") && this.#past.at(-1)?.step === step;
    if (!typing) this.#past = [...this.#past, { before: this.#now, step }].slice(-HISTORY);
    this.#now = { asks, examples };
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** What the text of an example is called. */
export function textNameOf({ asks }: Pick<Board, "asks">): "Answer" | "Caption" {
  return asks ? "Answer" : "Caption";
}

/** What examples lack before the model can read them, in words; empty where nothing does. */
export function lackOf({ asks, examples }: BoardContent): string {
  if (asks && examples.some(({ question }) => question.trim() === "")) {
    return "Give every example its question.";
  }
  return examples.some(({ text }) => text.trim() === "")
    ? `Give every example its ${asks ? "answer" : "caption"}.`
    : "";
}
