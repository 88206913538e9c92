/** Questions and answers that follow one another. */

import type { Flamingo, Session, Shot } from "flamingo-web";
import type { NewExample } from "../../board/board.js";
import { type Medium, sourceOf } from "../../media/medium.js";
import { shotOf } from "../../model/example-session.js";
import { TextWriter } from "../../model/text-writer.js";
import { LOOKING } from "../../parts/written-text.js";

export interface Turn {
  readonly id: number;
  /** What it is about: its own, or that of the turns before. */
  readonly medium: Medium;
  /** Whether the turn before was about something else. */
  readonly isNew: boolean;
  readonly question: string;
  readonly answer: TextWriter;
}

/**
 * Keeps its turns: the model is asked in a session that remembers them. Where the examples or the
 * model change, a new session gets the turns as further examples, which is what they are to the
 * model.
 */
export class Dialogue {
  #turns: readonly Turn[] = [];
  #session:
    | {
        readonly model: Flamingo;
        readonly examples: readonly NewExample[];
        readonly session: Session;
        /** What the last remembered turn was about. */
        medium: Medium | undefined;
      }
    | undefined;
  #lastId = 0;
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get turns(): readonly Turn[] {
    return this.#turns;
  }

  get isAnswering(): boolean {
    return this.#turns.at(-1)?.answer.writing.phase === "writing";
  }

  async ask(
    model: Flamingo,
    examplesFor: (medium: Medium, signal: AbortSignal) => Promise<readonly NewExample[]>,
    medium: Medium,
    question: string,
  ): Promise<void> {
    const isNew = this.#turns.at(-1)?.medium !== medium;
    const turn: Turn = {
      id: ++this.#lastId,
      medium,
      isNew,
      question,
      answer: new TextWriter(this.#onChange),
    };
    this.#turns = [...this.#turns, turn];
    await turn.answer.write(model, async (signal) => {
      const session = this.#sessionFor(model, await examplesFor(medium, signal));
      const source = session.medium === medium ? null : sourceOf(medium);
      return session.session.ask(source, question, { remember: true, signal, ...LOOKING });
    });
    const { writing } = turn.answer;
    if (writing.phase === "done" && this.#session !== undefined) this.#session.medium = medium;
  }

  stop(): void {
    this.#turns.at(-1)?.answer.stop();
  }

  /** Begins anew, without turns. */
  clear(): void {
    this.stop();
    this.#turns = [];
    this.#session?.session.dispose();
    this.#session = undefined;
    this.#onChange();
  }

  #sessionFor(model: Flamingo, examples: readonly NewExample[]) {
    if (this.#session?.model === model && this.#session.examples === examples) {
      return this.#session;
    }
    this.#session?.session.dispose();
    const { shots, medium } = turnsAsShots(this.#turns);
    const session = model.session({
      task: "visual-question",
      shots: [...examples.map(shotOf), ...shots],
    });
    this.#session = { model, examples, session, medium };
    return this.#session;
  }
}

/** What the model remembers of turns, and what the last of them was about. */
function turnsAsShots(turns: readonly Turn[]): { shots: Shot[]; medium: Medium | undefined } {
  const shots: Shot[] = [];
  let about: Medium | undefined;
  for (const { medium, question, answer } of turns) {
    if (answer.writing.phase !== "done") continue;
    const { text } = answer.writing.caption;
    shots.push(medium === about ? { question, text } : shotOf({ medium, question, text }));
    about = medium;
  }
  return { shots, medium: about };
}
