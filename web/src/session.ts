/** Examples that stay, and photos that come and go. */

import { proxy, transfer } from "comlink";
import { CaptionStream } from "./caption-stream.js";
import type { Connection } from "./connection.js";
import { AbortedError } from "./errors.js";
import { imageBytes } from "./image-bytes.js";
import type { SessionId } from "./protocol.js";
import type { ImageSource, Shot } from "./types.js";

/** What a session starts from. */
export interface SessionOptions {
  /** Examples, in the order the model reads them; each picture is encoded once. None by default. */
  readonly shots?: readonly Shot[];
}

/** How one caption is made. */
export interface CaptionOptions {
  /** Stops the caption; the iteration then throws an `AbortError`. */
  readonly signal?: AbortSignal;
  /** Longest caption, in tokens. 40 by default. */
  readonly maxNewTokens?: number;
}

/** A set of examples in front of a model. Made by {@link Flamingo.session}. */
export class Session {
  readonly #connection: Connection;
  readonly #id: SessionId;
  readonly #opened: Promise<void>;

  /** @internal */
  constructor(connection: Connection, id: SessionId, { shots = [] }: SessionOptions) {
    this.#connection = connection;
    this.#id = id;
    this.#opened = this.#open(shots);
    // It is thrown by the captions, which need the session.
    this.#opened.catch(() => {});
  }

  /** Resolves when the examples are encoded; captions wait for it by themselves. */
  get opened(): Promise<void> {
    return this.#opened;
  }

  /** Writes a caption for a photo, token by token. */
  caption(image: ImageSource, options: CaptionOptions = {}): CaptionStream {
    const { signal, maxNewTokens = 40 } = options;
    return new CaptionStream(async (onPiece, stop) => {
      const bytes = await imageBytes(image);
      return this.#connection.call(async (remote, task) => {
        await this.#opened;
        if (stop.aborted) throw new AbortedError({}, { cause: stop.reason });
        const request = { session: this.#id, image: bytes, maxNewTokens };
        return remote.caption(task, transfer(request, [bytes]), proxy(onPiece));
      }, stop);
    }, signal);
  }

  /** Forgets the examples. */
  dispose(): void {
    void this.#connection.call((remote) => remote.closeSession(this.#id)).catch(() => {});
  }

  async #open(shots: readonly Shot[]): Promise<void> {
    const wire = await Promise.all(
      shots.map(async ({ image, text }) => ({ image: await imageBytes(image), text })),
    );
    await this.#connection.call((remote, task) =>
      remote.openSession(
        task,
        this.#id,
        transfer(
          wire,
          wire.map(({ image }) => image),
        ),
      ),
    );
  }
}
