/** Boards between visits, in the browser's database. */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Board, BoardContent } from "./board.js";

interface Schema extends DBSchema {
  /** What is on each board, by its name. */
  boards: { key: string; value: BoardContent };
}

/** After the last change, before it is written: a text is typed in many changes. */
const PAUSE_MS = 300;

/**
 * Fills a board with what an earlier visit left, unless the user was faster, and keeps its changes
 * from then on. The board is told where the browser does not let it: it then lasts as long as the page.
 */
export async function keep(board: Board, name: string): Promise<void> {
  try {
    await follow(board, name);
  } catch {
    board.isKept = false;
  }
}

async function follow(board: Board, name: string): Promise<void> {
  let touched = false;
  const stop = board.subscribe(() => {
    touched = true;
  });
  const database = await openDB<Schema>("flamingo", 1, {
    upgrade: (database) => void database.createObjectStore("boards"),
    // Another tab may bring a newer page.
    blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
  });
  const kept = await database.get("boards", name);
  stop();
  if (touched) await write(database, name, board);
  else if (kept !== undefined) board.restore(kept);
  let timer: ReturnType<typeof setTimeout> | undefined;
  board.subscribe(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      // A full disk costs what is kept, not the board.
      write(database, name, board).then(
        () => {
          board.isKept = true;
        },
        () => {
          board.isKept = false;
        },
      );
    }, PAUSE_MS);
  });
}

async function write(database: IDBPDatabase<Schema>, name: string, board: Board): Promise<void> {
  const examples = board.examples.map(({ medium, question, text }) => ({ medium, question, text }));
  await database.put("boards", { asks: board.asks, examples }, name);
}
