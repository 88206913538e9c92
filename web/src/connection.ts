/** The page's end of the line to the Worker. */

import { type Endpoint, type Remote, releaseProxy, wrap } from "comlink";
import {
  AbortedError,
  DisposedError,
  describe,
  type FlamingoError,
  fromWire,
  InternalError,
  StartError,
} from "./errors.js";
import type { TaskId, WorkerApi } from "./protocol.js";
import { startWorker } from "./start-worker.js";

/**
 * Makes calls that can be stopped, and that end when the Worker does. Comlink
 * alone would leave them waiting for ever.
 */
export class Connection {
  readonly #remote: Remote<WorkerApi>;
  readonly #stop: () => void;
  readonly #ended: Promise<never>;
  #reject: (error: FlamingoError) => void = () => {};
  #fault: FlamingoError | undefined;
  #over = false;
  #lastTask: TaskId = 0;

  /** `stop` takes the other end down. */
  constructor(endpoint: Endpoint, stop: () => void) {
    this.#remote = wrap<WorkerApi>(endpoint);
    this.#stop = stop;
    this.#ended = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.#ended.catch(() => {});
  }

  /**
   * Starts the Worker. It is a module of this package, beside this file.
   *
   * @throws a {@link StartError} where the browser refuses it.
   */
  static toWorker(): Connection {
    let worker: Worker;
    try {
      worker = startWorker(
        new URL(SCRIPT, import.meta.url),
        "flamingo",
        () =>
          // Bundlers look for exactly this expression.
          new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "flamingo" }),
      );
    } catch (cause) {
      throw new StartError({ reason: describe(cause) }, { cause });
    }
    const connection = new Connection(worker, () => worker.terminate());
    worker.addEventListener("error", ({ message }) => {
      // A script that never ran has nothing to say.
      const fault = message
        ? new InternalError({ reason: message })
        : new StartError({ reason: "the Worker's script could not be loaded" });
      connection.#fail(fault);
    });
    return connection;
  }

  /**
   * Calls the Worker. When `signal` fires, the call rejects at once and the
   * Worker is told to stop; so do all calls when the connection is closed.
   */
  async call<T>(
    call: (remote: Remote<WorkerApi>, task: TaskId) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const task = ++this.#lastTask;
    if (this.#fault !== undefined) throw this.#fault;
    if (signal?.aborted) throw new AbortedError({}, { cause: signal.reason });

    const stopListening = new AbortController();
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener(
        "abort",
        () => {
          void this.#remote.abort(task);
          reject(new AbortedError({}, { cause: signal.reason }));
        },
        { once: true, signal: stopListening.signal },
      );
    });
    const answer = call(this.#remote, task).catch((error: unknown) => {
      throw fromWire(error);
    });
    // Where another end of the race comes first, this one is of no more interest.
    answer.catch(() => {});
    try {
      return await Promise.race([this.#ended, aborted, answer]);
    } finally {
      stopListening.abort();
    }
  }

  /** Takes the Worker down, as {@link end}, because nobody needs it. */
  close(what: string): void {
    this.end(new DisposedError({ what }));
  }

  /** Takes the Worker down; what it computes is lost. Calls that wait or come later reject with `error`. */
  end(error: FlamingoError): void {
    const over = this.#over;
    this.#over = true;
    this.#fail(error);
    if (over) return;
    this.#remote[releaseProxy]();
    this.#stop();
  }

  #fail(error: FlamingoError): void {
    this.#fault = error;
    this.#reject(error);
  }
}

/** Apart from where it is used: beside `import.meta.url` bundlers would copy the file as it is. */
const SCRIPT = "./worker.js";
