/** A task and its examples, which stay, and what is asked about, which comes and goes. */

import { proxy, type Remote, transfer } from "comlink";
import { CaptionStream } from "./caption-stream.js";
import type { Connection } from "./connection.js";
import { AbortedError, InvalidOptionError } from "./errors.js";
import { buffersOf, mediaToWire } from "./media.js";
import type { SessionId, TaskId, WirePart, WireQuery, WireShot, WorkerApi } from "./protocol.js";
import type {
  BeamOptions,
  Choice,
  GenerateOptions,
  Hypothesis,
  MediaSource,
  PromptPart,
  ScoringOptions,
  Shot,
  Task,
} from "./types.js";

/** What a session starts from. */
export interface SessionOptions {
  /** Examples, in the order the model reads them; each picture is encoded once. None by default. */
  readonly shots?: readonly Shot[];
  /** What examples and queries are about. `caption` by default. */
  readonly task?: Task;
}

/** How one text is made. */
export interface CaptionOptions extends GenerateOptions {
  /** Stops the text; the iteration then throws an `AbortError`. */
  readonly signal?: AbortSignal;
}

/** How one question is answered. */
export interface AskOptions extends CaptionOptions {
  /** Keep question and answer, so that the next question follows them. False by default. A text that was stopped is not kept. */
  readonly remember?: boolean;
}

/** How one of several answers is chosen. */
export interface ChooseOptions extends ScoringOptions {
  /** The question; none where the task asks none. */
  readonly question?: string;
  /** Rejects with an `AbortError`. The Worker ends what it computes before it takes the next call. */
  readonly signal?: AbortSignal;
}

/** How the best texts are searched for. */
export interface BeamSearchOptions extends BeamOptions {
  /** The question; none where the task asks none. */
  readonly question?: string;
  /** Rejects with an `AbortError`. The Worker ends what it computes before it takes the next call. */
  readonly signal?: AbortSignal;
}

/** A task with its examples in front of a model. Made by {@link Flamingo.session}. */
export class Session {
  readonly #connection: Connection;
  readonly #id: SessionId;
  readonly #task: Task;
  readonly #opened: Promise<void>;

  /** @internal */
  constructor(
    connection: Connection,
    id: SessionId,
    { shots = [], task = "caption" }: SessionOptions,
  ) {
    this.#connection = connection;
    this.#id = id;
    this.#task = task;
    this.#opened = this.#open(shots);
    // It is thrown by what needs the session.
    this.#opened.catch(() => {});
  }

  /** Resolves when the examples are encoded; everything waits for it by itself. */
  get opened(): Promise<void> {
    return this.#opened;
  }

  /** Writes a caption for an image or a clip, token by token, in the manner of the examples. */
  caption(image: MediaSource, options: CaptionOptions = {}): CaptionStream {
    return this.#answer(image, "", options);
  }

  /**
   * Answers a question, token by token: about an image or a clip or, with `null`, about the last
   * one of the dialogue. The session's task must have a place for a question.
   */
  ask(image: MediaSource | null, question: string, options: AskOptions = {}): CaptionStream {
    return this.#answer(image, question, options);
  }

  /** How likely each of the given answers is, in their order; the probabilities sum to 1. */
  async choose(
    image: MediaSource | null,
    choices: readonly string[],
    options: ChooseOptions = {},
  ): Promise<Choice[]> {
    const { question = "", signal, ...scoring } = options;
    const query = await this.#query(image, question);
    const probabilities = await this.#call(
      (remote, task) =>
        remote.choose(task, transfer(query, buffersOf(query.media)), choices, scoring),
      signal,
    );
    return choices.map((text, i) => ({ text, probability: probabilities[i] ?? 0 }));
  }

  /** The best texts for an image or a clip by beam search, best first. */
  async beamSearch(
    image: MediaSource | null,
    options: BeamSearchOptions = {},
  ): Promise<Hypothesis[]> {
    const { question = "", signal, ...search } = options;
    const query = await this.#query(image, question);
    return this.#call(
      (remote, task) => remote.beamSearch(task, transfer(query, buffersOf(query.media)), search),
      signal,
    );
  }

  /**
   * Continues a prompt, token by token. The prompt is the whole of what the model reads: text,
   * images and clips in any order and number, without the session's examples, task and turns.
   */
  generate(prompt: readonly PromptPart[], options: CaptionOptions = {}): CaptionStream {
    const { signal, ...generate } = options;
    return new CaptionStream(async (onPiece, stop) => {
      const parts = await Promise.all(prompt.map(partToWire));
      return this.#call(
        (remote, task) =>
          remote.generate(task, transfer(parts, partBuffers(parts)), generate, proxy(onPiece)),
        stop,
      );
    }, signal);
  }

  /** Number of tokens of a prompt, one for each image or clip among them; rejects where the model cannot read as many. */
  async countTokens(
    prompt: readonly PromptPart[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<number> {
    const parts = await Promise.all(prompt.map(partToWire));
    return this.#call(
      (remote, task) => remote.countTokens(task, transfer(parts, partBuffers(parts))),
      signal,
    );
  }

  /** Forgets the questions and answers that were remembered, not the examples. */
  forgetTurns(): Promise<void> {
    return this.#call((remote, task) => remote.forgetTurns(task, this.#id));
  }

  /** Forgets the examples and the turns. */
  dispose(): void {
    void this.#connection.call((remote) => remote.closeSession(this.#id)).catch(() => {});
  }

  #answer(image: MediaSource | null, question: string, options: AskOptions): CaptionStream {
    const { signal, remember = false, ...generate } = options;
    return new CaptionStream(async (onPiece, stop) => {
      const query = await this.#query(image, question);
      return this.#call(
        (remote, task) =>
          remote.answer(
            task,
            transfer(query, buffersOf(query.media)),
            remember,
            generate,
            proxy(onPiece),
          ),
        stop,
      );
    }, signal);
  }

  async #query(image: MediaSource | null, question: string): Promise<WireQuery> {
    if (question !== "" && !hasQuestion(this.#task)) {
      throw new InvalidOptionError({
        reason:
          'the session\'s task has no place for a question; make one with the task "visual-question"',
      });
    }
    const media = image === null ? undefined : await mediaToWire(image);
    return { session: this.#id, media, question };
  }

  /** Calls the Worker once the session is open there. */
  #call<T>(
    call: (remote: Remote<WorkerApi>, task: TaskId) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    return this.#connection.call(async (remote, task) => {
      await this.#opened;
      if (signal?.aborted) throw new AbortedError({}, { cause: signal.reason });
      return call(remote, task);
    }, signal);
  }

  async #open(shots: readonly Shot[]): Promise<void> {
    const wire = await Promise.all(shots.map(shotToWire));
    const buffers = wire.flatMap(({ media }) => buffersOf(media));
    await this.#connection.call((remote, task) =>
      remote.openSession(task, this.#id, this.#task, transfer(wire, buffers)),
    );
  }
}

function hasQuestion(task: Task): boolean {
  return typeof task === "string"
    ? task === "visual-question" || task === "hateful-memes"
    : task.template.includes("{question}");
}

async function shotToWire({ image, frames, question = "", text }: Shot): Promise<WireShot> {
  const source = frames === undefined ? image : { frames };
  return { media: source && (await mediaToWire(source)), question, text };
}

async function partToWire(part: PromptPart): Promise<WirePart> {
  if (typeof part === "string" || "endOfChunk" in part) return part;
  return { media: await mediaToWire("image" in part ? part.image : part) };
}

const partBuffers = (parts: readonly WirePart[]): ArrayBuffer[] =>
  parts.flatMap((part) =>
    typeof part === "object" && "media" in part ? buffersOf(part.media) : [],
  );
