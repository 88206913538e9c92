/** Asks a model about a talk, and reads no more of it than is new. */

import { PromptError, PromptTooLongError } from "../errors.js";
import type { CaptionOptions, DecideOptions, Session, SessionOptions } from "../session.js";
import type {
  Caption,
  Decision,
  ImageSource,
  JsonSchema,
  PixelFrame,
  PromptPart,
  Shot,
  TokenPiece,
} from "../types.js";
import { partsOfQuestion, partsOfTurns, type Templates, templateFor } from "./template.js";
import { type Question, sameTurns, type Turn } from "./turn.js";

/** What sessions are made by: a {@link Flamingo}. */
export interface SessionMaker {
  session(options?: SessionOptions): Session;
}

/** A text that is being written. */
export interface Writing extends AsyncIterable<TokenPiece> {
  readonly result: Promise<Caption>;
}

/** A session, and what was said in it. */
interface Open {
  readonly session: Session;
  readonly template: string;
  turns: readonly Turn[];
}

/** One talk with a model. */
export class Dialogue {
  readonly #model: SessionMaker;
  readonly #templates: Templates;
  /** Keeps what it read of turns that are alike. */
  #open: Open | undefined;
  /** For prompts that are no more than a text with pictures. */
  #bare: Session | undefined;

  constructor(model: SessionMaker, templates: Templates) {
    this.#model = model;
    this.#templates = templates;
  }

  /** Has the turns read, so that what is asked next need not wait for it. */
  async prepare(turns: readonly Turn[]): Promise<void> {
    const template = this.#commonTemplate(turns);
    if (template !== undefined && turns.length > 0) {
      await this.#sessionWith(turns, template).session.opened;
    }
  }

  /** Answers a question behind turns; `prefix` is how the answer begins. */
  ask(
    turns: readonly Turn[],
    question: Question,
    prefix: string,
    options: CaptionOptions,
  ): Writing {
    const template = this.#commonTemplate([...turns, question]);
    if (template === undefined || prefix !== "") {
      const parts = [
        ...partsOfTurns(this.#templates, turns),
        ...partsOfQuestion(this.#templates, question, prefix),
      ];
      return this.#bareSession().generate(parts, options);
    }
    const open = this.#sessionWith(turns, template);
    const image = question.images[0] ?? null;
    const writing = open.session.ask(image, question.text.trim(), { ...options, remember: true });
    writing.result.then(
      ({ text }) => {
        open.turns = [...turns, { ...question, answer: text }];
      },
      // It is told where the text is read.
      () => {},
    );
    return writing;
  }

  /**
   * Decides a value of a schema about a question behind turns, of at most one picture each.
   *
   * @throws a {@link PromptError} if a turn has more pictures.
   */
  async decide(
    turns: readonly Turn[],
    question: Question,
    schema: JsonSchema,
    settings: DecideOptions,
  ): Promise<Decision> {
    if ([...turns, question].some(({ images }) => images.length > 1)) {
      throw new PromptError({
        reason: "a value of a schema is about one picture; give each message no more than one",
      });
    }
    const { session } = this.#sessionWith(turns, this.#templates.question);
    const { text, images } = question;
    return session.decide(images[0] ?? null, schema, {
      ...settings,
      ...(text.trim() !== "" && { question: text.trim() }),
    });
  }

  /** Number of tokens of turns and a question behind them, however many the model can read. */
  count(
    turns: readonly Turn[],
    question: Question | undefined,
    prefix: string,
    signal?: AbortSignal,
  ): Promise<number> {
    const asked = question === undefined ? [] : partsOfQuestion(this.#templates, question, prefix);
    const parts = [...partsOfTurns(this.#templates, turns), ...asked];
    return this.#count(parts.map(withBlankPicture), signal);
  }

  /** Most tokens that the model reads. */
  async contextTokens(signal?: AbortSignal): Promise<number> {
    const fits = async (words: number) => {
      try {
        return await this.#bareSession().countTokens([" a".repeat(words)], wanting(signal));
      } catch (error) {
        if (error instanceof PromptTooLongError) return undefined;
        throw error;
      }
    };
    // Each word is a token more: the longest text that is read has as many as are read.
    let tokens = 0;
    let [few, many] = [1, 2];
    for (;;) {
      const read = await fits(many);
      if (read === undefined) break;
      tokens = read;
      [few, many] = [many, 2 * many];
    }
    while (many - few > 1) {
      const words = (few + many) >> 1;
      const read = await fits(words);
      if (read === undefined) many = words;
      else [few, tokens] = [words, read];
    }
    return tokens;
  }

  /** Forgets the talk. */
  dispose(): void {
    this.#open?.session.dispose();
    this.#bare?.dispose();
    this.#open = undefined;
    this.#bare = undefined;
  }

  /** The template of turns that a session can have as its examples: one, and a picture each at most. */
  #commonTemplate(turns: readonly Question[]): string | undefined {
    const { question, caption } = this.#templates;
    const templates = new Set(turns.map((turn) => templateFor(this.#templates, turn)));
    if (templates.size > 1 || turns.some(({ images }) => images.length > 1)) return undefined;
    return templates.has(caption) ? caption : question;
  }

  #sessionWith(turns: readonly Turn[], template: string): Open {
    if (this.#open?.template === template && sameTurns(this.#open.turns, turns)) return this.#open;
    this.#open?.session.dispose();
    const session = this.#model.session({ task: { template }, shots: turns.map(shotOf) });
    this.#open = { session, template, turns };
    return this.#open;
  }

  #bareSession(): Session {
    this.#bare ??= this.#model.session();
    return this.#bare;
  }

  async #count(parts: readonly PromptPart[], signal: AbortSignal | undefined): Promise<number> {
    if (parts.length === 0) return 0;
    try {
      return await this.#bareSession().countTokens(parts, wanting(signal));
    } catch (error) {
      if (!(error instanceof PromptTooLongError)) throw error;
    }
    // More than fit are counted in halves; what the model has before each counts twice.
    const halves = halved(parts);
    const counts = await Promise.all(halves.map((half) => this.#count(half, signal)));
    return counts.reduce((sum, count) => sum + count, 0);
  }
}

const wanting = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal });

function shotOf({ images: [image], text, answer }: Turn): Shot {
  const said = { question: text.trim(), text: answer };
  return image === undefined ? said : { ...said, image };
}

/** All pictures have as many tokens, so the smallest stands for each: a large one need not cross to be counted. */
const BLANK: PixelFrame = { data: new Uint8ClampedArray(4).fill(255), width: 1, height: 1 };

const withBlankPicture = (part: PromptPart): PromptPart =>
  typeof part === "object" && "image" in part ? { image: BLANK as ImageSource } : part;

function halved(parts: readonly PromptPart[]): PromptPart[][] {
  const [only] = parts;
  if (parts.length === 1 && typeof only === "string") {
    const middle = only.length >> 1;
    return [[only.slice(0, middle)], [only.slice(middle)]];
  }
  const middle = parts.length >> 1;
  return [parts.slice(0, middle), parts.slice(middle)];
}
