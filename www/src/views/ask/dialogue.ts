/** Questions and answers that follow one another. */

import type { Flamingo, Session } from "flamingo-web";
import type { Example } from "../../board/board.js";
import { type Medium, sourceOf } from "../../media/medium.js";
import { shotOf } from "../../model/example-session.js";
import { TextWriter } from "../../model/text-writer.js";
import { ALTERNATIVES } from "../../parts/written-text.js";

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
        readonly examples: readonly Example[];
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
    examples: readonly Example[],
    medium: Medium,
    question: string,
  ): Promise<void> {
    const session = this.#sessionFor(model, examples);
    const isNew = this.#turns.at(-1)?.medium !== medium;
    const turn: Turn = {
      id: ++this.#lastId,
      medium,
      isNew,
      question,
      answer: new TextWriter(this.#onChange),
    };
    this.#turns = [...this.#turns, turn];
    const source = session.medium === medium ? null : sourceOf(medium);
    await turn.answer.write(model, (signal) =>
      session.session.ask(source, question, {
        remember: true,
        signal,
        alternatives: ALTERNATIVES,
      }),
    );
    if (turn.answer.writing.phase === "done") session.medium = medium;
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

  #sessionFor(model: Flamingo, examples: readonly Example[]) {
    if (this.#session?.model === model && this.#session.examples === examples) {
      return this.#session;
    }
    this.#session?.session.dispose();
    const turns = this.#turns.flatMap(({ medium, question, answer: { writing } }) =>
      writing.phase === "done" ? [{ medium, question, text: writing.caption.text }] : [],
    );
    const shots = [...examples, ...turns].map(shotOf);
    const session = model.session({ task: "visual-question", shots });
    this.#session = { model, examples, session, medium: undefined };
    return this.#session;
  }
}
