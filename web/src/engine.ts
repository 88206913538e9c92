/**
 * The Worker's side of {@link WorkerApi}: one model, its sessions, and the
 * calls that are running.
 */

import { chooseDevice } from "./device.js";
import { fetchManifest, fetchShards } from "./download.js";
import { AbortedError, DisposedError, InternalError, toWire } from "./errors.js";
import { nextTurn } from "./event-loop.js";
import type {
  CaptionRequest,
  LoadedModel,
  Notify,
  SessionId,
  TaskId,
  WireShot,
  WorkerApi,
} from "./protocol.js";
import { Turns } from "./turns.js";
import type { Caption, DevicePreference, LoadEvent, MemoryReport, TokenPiece } from "./types.js";
import { calling, type WasmModel, type WasmModule, type WasmShots } from "./wasm.js";

/**
 * Bytes given to the module at once. Each piece is copied into its heap, which
 * never shrinks: whole shards would leave it 16 MiB larger for good.
 */
const PIECE_BYTES = 1024 * 1024;

/** Holds one model. */
export class Engine implements WorkerApi {
  readonly #start: () => Promise<WasmModule>;
  readonly #tasks = new Map<TaskId, AbortController>();
  readonly #sessions = new Map<SessionId, WasmShots>();
  readonly #turns = new Turns();
  readonly #crashed: Promise<never>;
  #wasm: WasmModule | undefined;
  #model: WasmModel | undefined;
  #crash: (error: InternalError) => void = () => {};

  /** `start` compiles and starts the module; it is called once, by `load`. */
  constructor(start: () => Promise<WasmModule>) {
    this.#start = start;
    this.#crashed = new Promise((_, reject) => {
      this.#crash = reject;
    });
    this.#crashed.catch(() => {});
  }

  /** Fails every call, running and to come: the module has trapped and its memory cannot be trusted. */
  crash(reason: string): void {
    this.#crash(new InternalError({ reason }));
  }

  load(
    task: TaskId,
    url: string,
    preference: DevicePreference,
    onEvent: Notify<LoadEvent>,
  ): Promise<LoadedModel> {
    return this.#run(task, async (signal) => {
      const manifest = await fetchManifest(url, signal);
      const { name, licence, totalBytes } = manifest;
      const info = { name, licence, totalBytes };
      void onEvent({ status: "initiate", model: info });

      const wasm = await this.#start();
      this.#wasm = wasm;
      const { device, report } = await chooseDevice(wasm, preference, manifest.requiredGpuLimits);
      void onEvent({ status: "device", device: report });

      let loaded = 0;
      const onBytes = (file: string, bytes: number) => {
        loaded += bytes;
        void onEvent({ status: "progress", file, loaded, total: totalBytes });
      };
      const loader = new wasm.ModelLoader(device);
      device.free();
      try {
        for await (const { file, bytes } of fetchShards(manifest, url, { signal, onBytes })) {
          for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
            throwIfAborted(signal);
            await calling(() => loader.push(bytes.subarray(start, start + PIECE_BYTES)));
          }
          void onEvent({ status: "done", file });
        }
      } catch (error) {
        loader.free();
        throw error;
      }
      this.#model = await calling(() => loader.finish());
      await onEvent({ status: "ready" });
      return { info, device: report };
    });
  }

  openSession(task: TaskId, session: SessionId, shots: readonly WireShot[]): Promise<void> {
    return this.#run(task, (signal) =>
      this.#turns.take(async () => {
        const { wasm, model } = this.#loaded();
        const encoded = new wasm.Shots();
        try {
          for (const { image, text } of shots) {
            throwIfAborted(signal);
            const seen = await calling(() => model.encode(new Uint8Array(image)));
            encoded.add(seen, text);
            seen.free();
            await nextTurn();
          }
        } catch (error) {
          encoded.free();
          throw error;
        }
        this.#sessions.set(session, encoded);
      }),
    );
  }

  closeSession(session: SessionId): void {
    // In turn, because a caption that is being written reads the examples.
    void this.#turns.take(async () => {
      this.#sessions.get(session)?.free();
      this.#sessions.delete(session);
    });
  }

  caption(task: TaskId, request: CaptionRequest, onPiece: Notify<TokenPiece>): Promise<Caption> {
    return this.#run(task, (signal) =>
      this.#turns.take(async () => {
        throwIfAborted(signal);
        const { model } = this.#loaded();
        const shots = this.#sessions.get(request.session);
        if (shots === undefined) throw new DisposedError({ what: "session" });

        const image = await calling(() => model.encode(new Uint8Array(request.image)));
        await nextTurn();
        try {
          throwIfAborted(signal);
          let told = Promise.resolve();
          const caption = await calling(() =>
            model.caption(shots, image, request.maxNewTokens, async (piece) => {
              told = Promise.resolve(onPiece(piece));
              await nextTurn();
              return !signal.aborted;
            }),
          );
          await told;
          throwIfAborted(signal);
          return caption;
        } finally {
          image.free();
        }
      }),
    );
  }

  abort(task: TaskId): void {
    this.#tasks.get(task)?.abort();
  }

  memory(): MemoryReport {
    return { heapBytes: this.#wasm?.memory.buffer.byteLength ?? 0 };
  }

  /** Runs one call: stoppable by its task, ended by a crash, failing in wire form. */
  async #run<T>(task: TaskId, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#tasks.set(task, controller);
    try {
      return await Promise.race([this.#crashed, work(controller.signal)]);
    } catch (error) {
      throw toWire(error);
    } finally {
      this.#tasks.delete(task);
    }
  }

  #loaded(): { wasm: WasmModule; model: WasmModel } {
    if (this.#wasm === undefined || this.#model === undefined) {
      throw new DisposedError({ what: "model" });
    }
    return { wasm: this.#wasm, model: this.#model };
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new AbortedError();
}
