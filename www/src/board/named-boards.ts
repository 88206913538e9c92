/** Boards by name: one is the same in every view that shows it, and is kept between visits. */

import { Board } from "./board.js";
import { keep } from "./kept-boards.js";

const boards = new Map<string, Board>();

/** The board called `name`; `asks` is how it starts where there was none. */
export function boardNamed(name: string, { asks = false } = {}): Board {
  const made = boards.get(name);
  if (made !== undefined) return made;
  const board = new Board({ asks });
  boards.set(name, board);
  void keep(board, name);
  return board;
}
