/** Boards by name: one is the same in every view that shows it, and is kept between visits. */

import { Board } from "./board.js";
import { keep } from "./kept-boards.js";

const boards = new Map<string, Board>();

export function boardNamed(name: string): Board {
  const made = boards.get(name);
  if (made !== undefined) return made;
  const board = new Board();
  boards.set(name, board);
  // Where nothing can be kept, the board lasts as long as the page.
  keep(board, name).catch(() => {});
  return board;
}
