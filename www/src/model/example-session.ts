import type { Flamingo, Session, Shot, Task } from "flamingo-web";
import type { NewExample } from "../board/board.js";
import { sourceOf } from "../media/medium.js";

/** An example as the model reads it. */
export function shotOf({ medium, question, text }: NewExample): Shot {
  const source = sourceOf(medium);
  const asked = question.trim() === "" ? {} : { question: question.trim() };
  return "frames" in source
    ? { frames: source.frames, text: text.trim(), ...asked }
    : { image: source, text: text.trim(), ...asked };
}

/** A session for the examples of a board: they are read once, and anew when they change. */
export class ExampleSession {
  #made:
    | {
        readonly model: Flamingo;
        readonly task: Task;
        readonly examples: readonly NewExample[];
        readonly session: Session;
      }
    | undefined;

  /** The same session as long as all three are the same. */
  for(model: Flamingo, task: Task, examples: readonly NewExample[]): Session {
    const made = this.#made;
    if (made?.model === model && made.task === task && made.examples === examples) {
      return made.session;
    }
    made?.session.dispose();
    const session = model.session({ task, shots: examples.map(shotOf) });
    this.#made = { model, task, examples, session };
    return session;
  }
}
