/** The Worker with the model in it and, when its GPU is lost, another one in its place. */

import type { Remote } from "comlink";
import type { Connection } from "./connection.js";
import { DeviceLostError, DisposedError, unlessAborted } from "./errors.js";
import type { LoadedModel, TaskId, WorkerApi } from "./protocol.js";

/** What the Worker is asked. It may be asked twice, so it gives away nothing it has only once. */
export type Call<T> = (remote: Remote<WorkerApi>, task: TaskId) => Promise<T>;

/** What lives in the Worker beside the model, and moves with it. */
export interface Tenant {
  /** Takes along what only the old Worker has. Its GPU is gone; its heap is not. */
  leave(old: Connection): Promise<void>;
  /** Makes itself anew. A failure is thrown where the tenant is used. */
  enter(fresh: Connection): Promise<void>;
}

/** What a tenant sees of its host. */
export interface Host {
  /** Calls the Worker; see {@link Connection.call}. */
  call<T>(call: Call<T>, signal?: AbortSignal): Promise<T>;
  /** Moves `tenant` when the Worker is replaced. */
  keep(tenant: Tenant): void;
  /** Leaves `tenant` behind. */
  release(tenant: Tenant): void;
}

/** A Worker whose model has loaded. */
export interface LoadedWorker {
  readonly connection: Connection;
  readonly loaded: LoadedModel;
}

/** Starts a Worker and has it load the model. */
export type StartWorker = (signal?: AbortSignal) => Promise<LoadedWorker>;

/**
 * Keeps a model answering. A device that is lost costs one rebuild: a new Worker, the weights from
 * where they are kept, the tenants as they were, and the calls that were waiting once more. A
 * Worker that answers nothing before its device is lost too is not replaced.
 */
export class ModelHost implements Host {
  readonly #start: StartWorker;
  readonly #onLost: () => void;
  readonly #tenants = new Set<Tenant>();
  readonly #closed = new AbortController();
  #worker: LoadedWorker;
  #replacing: Promise<void> | undefined;
  #proven = true;

  private constructor(worker: LoadedWorker, start: StartWorker, onLost: () => void) {
    this.#worker = worker;
    this.#start = start;
    this.#onLost = onLost;
  }

  /** Starts the first Worker. `onLost` is told when it is about to be replaced. */
  static async open(
    start: StartWorker,
    onLost: () => void,
    signal?: AbortSignal,
  ): Promise<ModelHost> {
    return new ModelHost(await start(signal), start, onLost);
  }

  /** What the Worker of now has loaded. */
  get loaded(): LoadedModel {
    return this.#worker.loaded;
  }

  async call<T>(call: Call<T>, signal?: AbortSignal): Promise<T> {
    if (this.#replacing !== undefined) await unlessAborted(this.#replacing, signal);
    const { connection } = this.#worker;
    try {
      return await this.#ask(connection, call, signal);
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
      await unlessAborted(this.#replace(connection, error), signal);
      return this.#ask(this.#worker.connection, call, signal);
    }
  }

  keep(tenant: Tenant): void {
    this.#tenants.add(tenant);
  }

  release(tenant: Tenant): void {
    this.#tenants.delete(tenant);
  }

  /** Ends the Worker, and one that is being started. */
  close(what: string): void {
    this.#closed.abort();
    this.#worker.connection.close(what);
  }

  async #ask<T>(connection: Connection, call: Call<T>, signal?: AbortSignal): Promise<T> {
    const answer = await connection.call(call, signal);
    if (connection === this.#worker.connection) this.#proven = true;
    return answer;
  }

  /** Resolves when there is another Worker than that of `old`. */
  #replace(old: Connection, lost: DeviceLostError): Promise<void> {
    if (this.#replacing !== undefined) return this.#replacing;
    // The others who waited for the old one come here later.
    if (old !== this.#worker.connection) return Promise.resolve();
    if (!this.#proven) return Promise.reject(lost);
    this.#proven = false;
    this.#replacing = this.#rebuild(old, lost).finally(() => {
      this.#replacing = undefined;
    });
    return this.#replacing;
  }

  async #rebuild(old: Connection, lost: DeviceLostError): Promise<void> {
    this.#onLost();
    for (const tenant of this.#tenants) await tenant.leave(old);
    // Before the new one begins: there may be no memory for both.
    old.end(lost);
    let worker: LoadedWorker;
    try {
      worker = await this.#start(this.#closed.signal);
    } catch (cause) {
      if (this.#closed.signal.aborted) throw new DisposedError({ what: "model" });
      throw new DeviceLostError(lost.details, { cause });
    }
    for (const tenant of this.#tenants) await tenant.enter(worker.connection);
    this.#worker = worker;
    if (this.#closed.signal.aborted) worker.connection.close("model");
  }
}
