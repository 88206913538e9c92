/** A session of the Prompt API. */

import type { Dialogue } from "../dialogue/dialogue.js";
import { trimmed } from "../dialogue/trimmed.js";
import { SILENCE, type Turn } from "../dialogue/turn.js";
import { FlamingoError, PromptTooLongError, unlessAborted } from "../errors.js";
import { Turns } from "../turns.js";
import type { TokenPiece } from "../types.js";
import { exception, named, notSupported, quotaExceeded } from "./exceptions.js";
import { type Heard, heard, type Prompt, type Talk, talkAfter } from "./messages.js";
import { handleBy } from "./monitor.js";
import {
  type Constraint,
  constraintOf,
  type PromptOptions,
  type SamplingMode,
  type Session as Settings,
  sampling,
} from "./options.js";

/** What a session is made of. */
export interface SessionParts {
  /** Another talk with the same model. */
  readonly newDialogue: () => Dialogue;
  /** Options that were checked. */
  readonly settings: Settings;
  /** Tokens that prompts and answers may have. */
  readonly window: number;
  /** Longest answer, in tokens. */
  readonly maxNewTokens: number;
  /** What was said. */
  readonly talk: Talk;
  /** Turns at the beginning that stay. */
  readonly kept: number;
  /** Tokens of what was said. */
  readonly usage: number;
}

/** Only this package makes sessions. */
const OURS = Symbol("flamingo-web");

/** `LanguageModel`, without its static functions. */
export class PromptSession extends EventTarget {
  /** Told where what was said first went, to make room. */
  declare oncontextoverflow: ((event: Event) => void) | null;
  /** {@link oncontextoverflow}, as it was called before. */
  declare onquotaoverflow: ((event: Event) => void) | null;
  readonly #parts: SessionParts;
  readonly #dialogue: Dialogue;
  readonly #destroyed = new AbortController();
  /** One call after the other. */
  readonly #line = new Turns();
  #talk: Talk;
  #usage: number;

  /** @internal */
  constructor(ours?: symbol, parts?: SessionParts) {
    super();
    if (ours !== OURS || parts === undefined) {
      throw new TypeError("Illegal constructor. Use LanguageModel.create().");
    }
    this.#parts = parts;
    this.#dialogue = parts.newDialogue();
    this.#talk = parts.talk;
    this.#usage = parts.usage;
    for (const type of ["contextoverflow", "quotaoverflow"]) handleBy(this, type);
  }

  /** @internal Makes a session of a class that extends this one. */
  static make<T extends PromptSession>(
    Class: new (ours: symbol, parts: SessionParts) => T,
    parts: SessionParts,
  ): T {
    return new Class(OURS, parts);
  }

  /** Tokens of all that was said. */
  get contextUsage(): number {
    return this.#usage;
  }

  /** Tokens that there may be: as many as the model reads, less the longest answer. */
  get contextWindow(): number {
    return this.#parts.window;
  }

  /** {@link contextUsage}, as it was called before. */
  get inputUsage(): number {
    return this.#usage;
  }

  /** {@link contextWindow}, as it was called before. */
  get inputQuota(): number {
    return this.#parts.window;
  }

  /** How much chance there is in answers. */
  get samplingMode(): SamplingMode {
    return this.#parts.settings.samplingMode;
  }

  /** @internal Resolves when what was said is read. */
  prepared(): Promise<void> {
    return this.#dialogue.prepare(this.#talk.turns);
  }

  /** Says something and resolves to the whole answer. */
  async prompt(input: Prompt, options: PromptOptions = {}): Promise<string> {
    let text = "";
    for await (const piece of this.#answer(input, options)) text += piece;
    return text;
  }

  /** Says something. The answer comes piece by piece. */
  promptStreaming(input: Prompt, options: PromptOptions = {}): ReadableStream<string> {
    const left = new AbortController();
    const signals = options.signal === undefined ? [] : [options.signal];
    const signal = AbortSignal.any([left.signal, ...signals]);
    // What is wrong with the input is found now, and pictures are taken as they are now.
    const pieces = this.#answer(input, { ...options, signal });
    return new ReadableStream<string>(
      {
        async pull(controller) {
          try {
            const { done, value } = await pieces.next();
            if (done) controller.close();
            else controller.enqueue(value);
          } catch (error) {
            controller.error(error);
          }
        },
        cancel: (reason) => left.abort(reason),
      },
      { highWaterMark: 1 },
    );
  }

  /** Says something that is not to be answered yet. */
  async append(input: Prompt, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const messages = heard(input, this.#parts.settings.inputs);
    await this.#inTurn(signal, async (signal) => {
      const next = await talkAfter(this.#talk, messages);
      // How an answer begins can only be said where one is asked for.
      if (next.prefix !== "") throw exception("SyntaxError", "There is no answer to begin.");
      const { turns, usage } = await this.#room(next, "", signal);
      await unlessAborted(this.#dialogue.prepare(turns), signal);
      this.#talk = { turns, open: next.open };
      this.#usage = usage;
    });
  }

  /** Tokens of an input, by itself. */
  async measureContextUsage(input: Prompt, options: PromptOptions = {}): Promise<number> {
    constraintOf(options);
    const messages = heard(input, this.#parts.settings.inputs);
    return this.#inTurn(options.signal, async (signal) => {
      const talk = await talkAfter({ turns: [], open: SILENCE }, messages);
      return this.#dialogue.count(talk.turns, talk.open, talk.prefix, signal);
    });
  }

  /** {@link measureContextUsage}, as it was called before. */
  measureInputUsage(input: Prompt, options: PromptOptions = {}): Promise<number> {
    return this.measureContextUsage(input, options);
  }

  /** A session in which the same was said, and which goes on by itself. */
  async clone({ signal }: { readonly signal?: AbortSignal } = {}): Promise<this> {
    return this.#inTurn(signal, async () => {
      const Class = this.constructor as new (ours: symbol, parts: SessionParts) => this;
      return PromptSession.make(Class, { ...this.#parts, talk: this.#talk, usage: this.#usage });
    });
  }

  /** Ends the session and what it is doing; that rejects with an `AbortError`. */
  destroy(): void {
    this.endBy(exception("AbortError", "The session was destroyed."));
  }

  /** @internal {@link destroy}, for a reason. */
  endBy(reason: unknown): void {
    if (this.#destroyed.signal.aborted) return;
    this.#destroyed.abort(reason);
    this.#dialogue.dispose();
  }

  #answer(input: Prompt, options: PromptOptions): AsyncGenerator<string, void, undefined> {
    const { signal } = options;
    let ready: { messages: Heard[]; constraint: Constraint | undefined };
    let fault: { error: unknown } | undefined;
    try {
      ready = {
        messages: heard(input, this.#parts.settings.inputs),
        constraint: constraintOf(options),
      };
    } catch (error) {
      fault = { error };
    }
    const chunks = new Chunks();
    const work = async () => {
      if (fault !== undefined) throw fault.error;
      const { messages, constraint } = ready;
      await this.#inTurn(signal, (signal) => this.#write(messages, constraint, chunks, signal));
    };
    chunks.endWith(work());
    return chunks.read();
  }

  async #write(
    messages: readonly Heard[],
    constraint: Constraint | undefined,
    chunks: Chunks,
    signal: AbortSignal,
  ): Promise<void> {
    const next = await talkAfter(this.#talk, messages);
    const { open, prefix } = next;
    const { turns } = await this.#room(next, prefix, signal);
    const text =
      constraint !== undefined && "schema" in constraint
        ? await this.#decide({ turns, open }, prefix, constraint.schema, chunks, signal)
        : await this.#generate({ turns, open }, prefix, constraint, chunks, signal);
    // What was stopped was not said, even if the answer came in the same moment.
    signal.throwIfAborted();
    const answered: Turn = { ...open, answer: prefix + text };
    this.#talk = { turns: [...turns, answered], open: SILENCE };
    this.#usage = await this.#dialogue.count(this.#talk.turns, undefined, "");
  }

  async #generate(
    { turns, open }: Talk,
    prefix: string,
    constraint: { readonly regex: string } | undefined,
    chunks: Chunks,
    signal: AbortSignal,
  ): Promise<string> {
    const { maxNewTokens, settings } = this.#parts;
    const writing = this.#dialogue.ask(turns, open, prefix, {
      ...sampling(settings.samplingMode),
      maxNewTokens,
      signal,
      ...(constraint && { constraint }),
    });
    for await (const piece of trimmed(textsOf(writing))) chunks.add(piece);
    const { text, meetsConstraint } = await writing.result;
    if (meetsConstraint === false) {
      throw exception("SyntaxError", "The answer grew too long before it matched the pattern.");
    }
    return text;
  }

  async #decide(
    { turns, open }: Talk,
    prefix: string,
    schema: Readonly<Record<string, unknown>>,
    chunks: Chunks,
    signal: AbortSignal,
  ): Promise<string> {
    if (prefix !== "") throw notSupported("An answer by a JSON schema has no prefix.");
    const { maxNewTokens } = this.#parts;
    const settings = { maxNewTokens, signal };
    const { value } = await this.#dialogue.decide(turns, open, schema, settings);
    const text = JSON.stringify(value);
    chunks.add(text);
    return text;
  }

  /**
   * Makes room for what is to be read: the oldest turns go, but not those that were there from the
   * beginning.
   *
   * @throws a `QuotaExceededError` where that is not enough; then all stay.
   */
  async #room(
    { turns: wanted, open }: Talk,
    prefix: string,
    signal: AbortSignal,
  ): Promise<{ turns: readonly Turn[]; usage: number }> {
    const { window, kept } = this.#parts;
    const asked = open === SILENCE && prefix === "" ? undefined : open;
    const requested = await this.#dialogue.count(wanted, asked, prefix, signal);
    // What was said before this call may go; `wanted` has it in front.
    const mayGo = this.#talk.turns.length - kept;
    let turns = wanted;
    let usage = requested;
    for (let gone = 0; usage > window; gone += 1) {
      if (gone === mayGo) throw quotaExceeded({ requested, quota: window });
      turns = [...turns.slice(0, kept), ...turns.slice(kept + 1)];
      usage = await this.#dialogue.count(turns, asked, prefix, signal);
    }
    const gone = wanted.length - turns.length;
    if (gone > 0) {
      const left = this.#talk.turns;
      this.#talk = {
        ...this.#talk,
        turns: [...left.slice(0, kept), ...left.slice(kept + gone)],
      };
      for (const type of ["contextoverflow", "quotaoverflow"]) this.dispatchEvent(new Event(type));
    }
    return { turns, usage };
  }

  /** Runs `work` when what was asked before has ended; until one of the signals says stop. */
  async #inTurn<T>(
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const destroyed = this.#destroyed.signal;
    if (destroyed.aborted) {
      throw exception("InvalidStateError", "The session was destroyed. Create another one.");
    }
    signal?.throwIfAborted();
    const either = AbortSignal.any(signal === undefined ? [destroyed] : [destroyed, signal]);
    const running = this.#line.take("calls", async () => {
      either.throwIfAborted();
      return work(either);
    });
    try {
      return await unlessAborted(running, either);
    } catch (error) {
      if (either.aborted) throw either.reason;
      if (error instanceof PromptTooLongError) {
        const { window } = this.#parts;
        throw quotaExceeded({ requested: window + 1, quota: window });
      }
      throw error instanceof FlamingoError ? named(error, "UnknownError") : error;
    }
  }
}

async function* textsOf(pieces: AsyncIterable<TokenPiece>): AsyncGenerator<string> {
  for await (const { text } of pieces) yield text;
}

/** Pieces of a text, which come by themselves and are taken when they are wanted. */
class Chunks {
  readonly #waiting: string[] = [];
  #ended: Promise<void> = Promise.resolve();
  #over = false;
  #wake: () => void = () => {};

  add(piece: string): void {
    if (piece === "") return;
    this.#waiting.push(piece);
    this.#wake();
  }

  /** There are no more once `work` has ended; readers get what it throws. */
  endWith(work: Promise<void>): void {
    this.#ended = work.finally(() => {
      this.#over = true;
      this.#wake();
    });
    this.#ended.catch(() => {});
  }

  async *read(): AsyncGenerator<string, void, undefined> {
    for (;;) {
      const piece = this.#waiting.shift();
      if (piece !== undefined) yield piece;
      else if (this.#over) return await this.#ended;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
