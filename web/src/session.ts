/** A task and its examples, which stay, and what is asked about, which comes and goes. */

import { proxy, type Remote } from "comlink";
import { CaptionStream } from "./caption-stream.js";
import type { Connection } from "./connection.js";
import { AbortedError, DeviceLostError, InternalError, InvalidOptionError } from "./errors.js";
import { mediaToWire } from "./media.js";
import type { Call, Host, Tenant } from "./model-host.js";
import type {
  SessionId,
  TaskId,
  WireOptions,
  WirePart,
  WireQuery,
  WireShot,
  WorkerApi,
} from "./protocol.js";
import { Replay } from "./replay.js";
import type {
  BeamOptions,
  Caption,
  Choice,
  Decision,
  DecisionOptions,
  GenerateOptions,
  Hypothesis,
  JsonSchema,
  MediaSource,
  PromptPart,
  ScoringOptions,
  Shot,
  Task,
  TokenPiece,
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

/** How a value of a schema is decided. */
export interface DecideOptions extends DecisionOptions {
  /** Text before the question of each part; none by default. */
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

/** A turn of a dialogue, as it was asked for. */
interface Turn {
  readonly query: WireQuery;
  readonly options: WireOptions;
}

/** A task with its examples in front of a model. Made by {@link Flamingo.session}. */
export class Session implements Tenant {
  readonly #host: Host;
  readonly #id: SessionId;
  readonly #task: Task;
  readonly #shots: Promise<readonly WireShot[]>;
  /** What was remembered, for a Worker that must learn it anew. */
  #turns: Turn[] = [];
  #opened: Promise<void>;

  /** @internal */
  constructor(host: Host, id: SessionId, { shots = [], task = "caption" }: SessionOptions) {
    this.#host = host;
    this.#id = id;
    this.#task = task;
    this.#shots = Promise.all(shots.map(shotToWire));
    this.#shots.catch(() => {});
    this.#opened = host.call((remote, task) => this.#open(remote, task));
    // It is thrown by what needs the session.
    this.#opened.catch(() => {});
    host.keep(this);
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
    const found = await this.#call(
      (remote, task) => remote.choose(task, query, choices, scoring),
      signal,
    );
    return choices.map((text, i) => {
      const choice = found[i];
      if (choice === undefined) throw new InternalError({ reason: "an answer has no score" });
      return { text, ...choice };
    });
  }

  /**
   * A value of a JSON schema about an image or a clip, always valid, each part with its
   * probability. A part is a question of its own: its `description`, or one made of its name. The
   * texts of the session's shots are values of the schema, as JSON.
   */
  async decide(
    image: MediaSource | null,
    schema: JsonSchema,
    options: DecideOptions = {},
  ): Promise<Decision> {
    const { question = "", signal, ...decision } = options;
    const media = image === null ? undefined : await mediaToWire(image);
    const query = { session: this.#id, media, question };
    const text = JSON.stringify(schema);
    return this.#call((remote, task) => remote.decide(task, query, text, decision), signal);
  }

  /** The best texts for an image or a clip by beam search, best first. */
  async beamSearch(
    image: MediaSource | null,
    options: BeamSearchOptions = {},
  ): Promise<Hypothesis[]> {
    const { question = "", signal, ...search } = options;
    const query = await this.#query(image, question);
    return this.#call((remote, task) => remote.beamSearch(task, query, search), signal);
  }

  /**
   * Continues a prompt, token by token. The prompt is the whole of what the model reads: text,
   * images and clips in any order and number, without the session's examples, task and turns.
   */
  generate(prompt: readonly PromptPart[], options: CaptionOptions = {}): CaptionStream {
    const { signal, ...generate } = options;
    return this.#write(
      Promise.all(prompt.map(partToWire)),
      (remote, task, parts, onPiece) =>
        remote.generate(task, this.#id, parts, optionsToWire(generate), onPiece),
      signal,
    );
  }

  /** Number of tokens of a prompt, one for each image or clip among them; rejects where the model cannot read as many. */
  async countTokens(
    prompt: readonly PromptPart[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<number> {
    const parts = await Promise.all(prompt.map(partToWire));
    return this.#call((remote, task) => remote.countTokens(task, this.#id, parts), signal);
  }

  /** Forgets the questions and answers that were remembered, not the examples. */
  async forgetTurns(): Promise<void> {
    await this.#call((remote, task) => remote.forgetTurns(task, this.#id));
    this.#turns = [];
  }

  /** Forgets the examples and the turns. */
  dispose(): void {
    this.#host.release(this);
    void this.#host.call((remote) => remote.closeSession(this.#id)).catch(() => {});
  }

  /** @internal Examples and turns are here. */
  async leave(): Promise<void> {}

  /** @internal */
  async enter(connection: Connection): Promise<void> {
    this.#opened = connection.call(async (remote, task) => {
      await this.#open(remote, task);
      for (const { query, options } of this.#turns) {
        await remote.answer(
          task,
          query,
          true,
          options,
          proxy(() => {}),
        );
      }
    });
    await this.#opened.catch(() => {});
  }

  #answer(image: MediaSource | null, question: string, options: AskOptions): CaptionStream {
    const { signal, remember = false, ...generate } = options;
    return this.#write(
      this.#query(image, question),
      async (remote, task, query, onPiece) => {
        const options = optionsToWire(generate);
        const caption = await remote.answer(task, query, remember, options, onPiece);
        if (remember && caption.stopReason !== "aborted") {
          this.#turns.push({ query, options });
        }
        return caption;
      },
      signal,
    );
  }

  /** Has a text written about `input`; if the Worker has to be replaced meanwhile, it goes on where it was. */
  #write<I>(
    input: Promise<I>,
    write: (
      remote: Remote<WorkerApi>,
      task: TaskId,
      input: I,
      onPiece: (piece: TokenPiece) => void,
    ) => Promise<Caption>,
    signal: AbortSignal | undefined,
  ): CaptionStream {
    return new CaptionStream(async (onPiece, stop) => {
      const wire = await input;
      const replay = new Replay(onPiece);
      try {
        return await this.#call(
          (remote, task) => write(remote, task, wire, proxy(replay.listen())),
          AbortSignal.any([stop, replay.diverged]),
        );
      } catch (error) {
        if (!replay.diverged.aborted) throw error;
        throw new DeviceLostError({
          reason: "the GPU went away, and another device writes this text otherwise; ask again",
        });
      }
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
  #call<T>(call: Call<T>, signal?: AbortSignal): Promise<T> {
    return this.#host.call(async (remote, task) => {
      await this.#opened;
      if (signal?.aborted) throw new AbortedError({}, { cause: signal.reason });
      return call(remote, task);
    }, signal);
  }

  async #open(remote: Remote<WorkerApi>, task: TaskId): Promise<void> {
    await remote.openSession(task, this.#id, this.#task, await this.#shots);
  }
}

function hasQuestion(task: Task): boolean {
  return typeof task === "string"
    ? task === "visual-question" || task === "hateful-memes"
    : task.template.includes("{question}");
}

function optionsToWire({ schema, ...options }: GenerateOptions): WireOptions {
  if (schema === undefined) return options;
  if (options.constraint !== undefined) {
    throw new InvalidOptionError({ reason: "give a schema or a constraint, not both" });
  }
  return { ...options, constraint: { schema: JSON.stringify(schema) } };
}

async function shotToWire({ image, frames, question = "", text }: Shot): Promise<WireShot> {
  const source = frames === undefined ? image : { frames };
  return { media: source && (await mediaToWire(source)), question, text };
}

async function partToWire(part: PromptPart): Promise<WirePart> {
  if (typeof part === "string" || "endOfChunk" in part) return part;
  return { media: await mediaToWire("image" in part ? part.image : part) };
}
