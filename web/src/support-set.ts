/** Examples chosen by what they look like. */

import { type Remote, transfer } from "comlink";
import type { Connection } from "./connection.js";
import { AbortedError } from "./errors.js";
import { buffersOf, imageToWire } from "./media.js";
import type { SupportSetId, TaskId, WorkerApi } from "./protocol.js";
import type { ImageSource, SupportEntry, SupportExample } from "./types.js";

/** A call that can be stopped. */
interface Stoppable {
  /** Rejects with an `AbortError`. */
  readonly signal?: AbortSignal;
}

/**
 * Images with texts, from which the nearest to a query can be taken as its examples (RICES).
 * Only what an image looks like is kept, not the image. Made by {@link Flamingo.supportSet}.
 */
export class SupportSet {
  readonly #connection: Connection;
  readonly #id: SupportSetId;
  readonly #opened: Promise<void>;

  /** @internal */
  constructor(connection: Connection, id: SupportSetId, saved: Uint8Array | undefined) {
    this.#connection = connection;
    this.#id = id;
    // A copy: giving it away takes nothing from the caller.
    const bytes = saved && new Uint8Array(saved).buffer;
    this.#opened = connection.call((remote, task) =>
      remote.openSupportSet(task, id, bytes && transfer(bytes, [bytes])),
    );
    // It is thrown by what needs the set.
    this.#opened.catch(() => {});
  }

  /** Resolves when the set is there; rejects where saved bytes are none. Everything waits for it by itself. */
  get opened(): Promise<void> {
    return this.#opened;
  }

  /** Adds an image and its text. */
  async add(
    image: ImageSource,
    example: SupportExample,
    { signal }: Stoppable = {},
  ): Promise<void> {
    const wire = await imageToWire(image);
    return this.#call(
      (remote, task) =>
        remote.addToSupportSet(task, this.#id, transfer(wire, buffersOf(wire)), example),
      signal,
    );
  }

  /** The `count` examples nearest to an image, the most similar last: the order in which to show them. */
  async nearest(
    image: ImageSource,
    count: number,
    { signal }: Stoppable = {},
  ): Promise<SupportEntry[]> {
    const wire = await imageToWire(image);
    return this.#call(
      (remote, task) => remote.nearest(task, this.#id, transfer(wire, buffersOf(wire)), count),
      signal,
    );
  }

  /** The set as bytes, for {@link Flamingo.supportSet} and for the program's `--support`. */
  save({ signal }: Stoppable = {}): Promise<Uint8Array> {
    return this.#call((remote, task) => remote.saveSupportSet(task, this.#id), signal);
  }

  /** Forgets the set. */
  dispose(): void {
    void this.#connection.call((remote) => remote.closeSupportSet(this.#id)).catch(() => {});
  }

  /** Calls the Worker once the set is open there. */
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
}
