/** Examples chosen by what they look like. */

import type { Remote } from "comlink";
import type { Connection } from "./connection.js";
import { AbortedError, InvalidOptionError } from "./errors.js";
import { imageToWire } from "./media.js";
import type { Call, Host, Tenant } from "./model-host.js";
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
export class SupportSet implements Tenant {
  readonly #host: Host;
  readonly #id: SupportSetId;
  #saved: Uint8Array | undefined;
  #opened: Promise<void>;

  /** @internal */
  constructor(host: Host, id: SupportSetId, saved: Uint8Array | undefined) {
    this.#host = host;
    this.#id = id;
    // A copy: what the caller does with its own changes nothing here.
    this.#saved = saved && new Uint8Array(saved);
    this.#opened = host.call((remote, task) => this.#open(remote, task));
    // It is thrown by what needs the set.
    this.#opened.catch(() => {});
    host.keep(this);
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
      (remote, task) => remote.addToSupportSet(task, this.#id, wire, example),
      signal,
    );
  }

  /** The `count` examples nearest to an image, the most similar last: the order in which to show them. */
  async nearest(
    image: ImageSource,
    count: number,
    { signal }: Stoppable = {},
  ): Promise<SupportEntry[]> {
    // The module would take another number for it.
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new InvalidOptionError({
        reason: `count is ${count}, expected a whole number from 1 on`,
      });
    }
    const wire = await imageToWire(image);
    // So does it of one that 32 bits do not hold, and no set has as many.
    const most = Math.min(count, 2 ** 31);
    return this.#call((remote, task) => remote.nearest(task, this.#id, wire, most), signal);
  }

  /** The set as bytes, for {@link Flamingo.supportSet} and for the program's `--support`. */
  save({ signal }: Stoppable = {}): Promise<Uint8Array> {
    return this.#call((remote, task) => remote.saveSupportSet(task, this.#id), signal);
  }

  /** Forgets the set. */
  dispose(): void {
    this.#host.release(this);
    void this.#host.call((remote) => remote.closeSupportSet(this.#id)).catch(() => {});
  }

  /** @internal */
  async leave(old: Connection): Promise<void> {
    const saved = old.call((remote, task) => remote.saveSupportSet(task, this.#id));
    // One that was never there is opened as it would have been.
    this.#saved = await saved.catch(() => this.#saved);
  }

  /** @internal */
  async enter(connection: Connection): Promise<void> {
    this.#opened = connection.call((remote, task) => this.#open(remote, task));
    await this.#opened.catch(() => {});
  }

  async #open(remote: Remote<WorkerApi>, task: TaskId): Promise<void> {
    await remote.openSupportSet(task, this.#id, this.#saved);
  }

  /** Calls the Worker once the set is open there. */
  #call<T>(call: Call<T>, signal?: AbortSignal): Promise<T> {
    return this.#host.call(async (remote, task) => {
      await this.#opened;
      if (signal?.aborted) throw new AbortedError({}, { cause: signal.reason });
      return call(remote, task);
    }, signal);
  }
}
