import type { Flamingo } from "flamingo-web";
import type { Medium } from "../media/medium.js";
import { type Board, lackOf, type NewExample } from "./board.js";
import { boardNamed } from "./named-boards.js";
import type { SupportFolder } from "./support-folder.js";

/** Where a view has its examples from: the board, or a folder that stands in for it. */
export class ExampleSource {
  readonly board: Board;
  #folder: SupportFolder | undefined;
  readonly #onChange: () => void;

  /** `name` is that of the board: views that give the same one share it. */
  constructor(name: string, onChange: () => void, { asks = false } = {}) {
    this.board = boardNamed(name, { asks });
    this.#onChange = onChange;
    this.board.subscribe(onChange);
  }

  get folder(): SupportFolder | undefined {
    return this.#folder;
  }

  set folder(folder: SupportFolder | undefined) {
    this.#folder?.dispose();
    this.#folder = folder;
    this.#onChange();
  }

  /** What the examples lack, in words; empty where nothing does. */
  get lack(): string {
    return this.#folder === undefined ? lackOf(this.board) : "";
  }

  /** The examples for a query; the same list as long as they are the same. */
  async examplesFor(
    model: Flamingo,
    medium: Medium,
    signal: AbortSignal,
  ): Promise<readonly NewExample[]> {
    return this.#folder?.nearestTo(model, medium, signal) ?? this.board.examples;
  }
}
