/**
 * The Worker's side of {@link WorkerApi}: one model, its sessions and support sets,
 * and the calls that are running.
 */

import { chooseDevice } from "./device.js";
import { whileDownloading } from "./download-lock.js";
import { embed, type Loaded, withExamples, withMedia, withPrompt } from "./encoding.js";
import { DisposedError, InternalError, throwIfAborted, toWire } from "./errors.js";
import { nextTurn } from "./event-loop.js";
import { findManifest } from "./find-manifest.js";
import { infoOf, type Manifest } from "./manifest.js";
import type { WireImage } from "./media.js";
import { type FolderFiles, readManifest, readShards } from "./model-folder.js";
import { Progress } from "./progress.js";
import type {
  LoadedModel,
  Notify,
  SessionId,
  SupportSetId,
  TaskId,
  WireOptions,
  WirePart,
  WireQuery,
  WireShot,
  WorkerApi,
} from "./protocol.js";
import { loadShards, type VerifiedShard } from "./shards.js";
import type { FileStore } from "./storage/file-store.js";
import { ModelCache, type Warn } from "./storage/model-cache.js";
import { placesWith } from "./storage/places.js";
import { Turns } from "./turns.js";
import type {
  BeamOptions,
  Caption,
  Decision,
  DecisionOptions,
  DeviceWish,
  Hypothesis,
  LoadEvent,
  MemoryReport,
  ScoringOptions,
  SupportEntry,
  SupportExample,
  Task,
  TokenPiece,
  WorkReport,
} from "./types.js";
import {
  calling,
  type OnPiece,
  type StartWasm,
  type WasmChoice,
  type WasmModel,
  type WasmModule,
  type WasmPiece,
  type WasmQuery,
  type WasmRehearsal,
  type WasmSession,
  type WasmSupportSet,
} from "./wasm.js";

/**
 * Bytes given to the module at once. Each piece is copied into its heap, which
 * never shrinks: whole shards would leave it 16 MiB larger for good.
 */
const PIECE_BYTES = 1024 * 1024;

/** Holds one model. */
export class Engine implements WorkerApi {
  readonly #start: StartWasm;
  readonly #tasks = new Map<TaskId, AbortController>();
  readonly #sessions = new Map<SessionId, WasmSession>();
  readonly #supportSets = new Map<SupportSetId, WasmSupportSet>();
  readonly #turns = new Turns();
  readonly #crashed: Promise<never>;
  #wasm: WasmModule | undefined;
  #model: WasmModel | undefined;
  #crash: (error: InternalError) => void = () => {};

  /** `start` is called by `load`. */
  constructor(start: StartWasm) {
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
    wish: DeviceWish,
    memory: FileStore,
    onEvent: Notify<LoadEvent>,
  ): Promise<LoadedModel> {
    return this.#run(task, (signal) =>
      whileDownloading(url, () => this.#download(url, wish, memory, onEvent, signal)),
    );
  }

  loadFolder(
    task: TaskId,
    name: string,
    files: FolderFiles,
    wish: DeviceWish,
    onEvent: Notify<LoadEvent>,
  ): Promise<LoadedModel> {
    return this.#run(task, async (signal) => {
      const manifest = await readManifest(files, name);
      void onEvent({ status: "initiate", model: infoOf(manifest) });
      // All of it is at hand, so nothing is waited for at the rate of a network.
      const kept = new Map(manifest.shards.map(({ file, bytes }) => [file, bytes]));
      return this.#build(manifest, kept, wish, onEvent, signal, (progress) =>
        readShards(manifest, files, name, { progress, signal }),
      );
    });
  }

  /** Loads the model at an address, from the network or where it is kept. */
  async #download(
    url: string,
    wish: DeviceWish,
    memory: FileStore,
    onEvent: Notify<LoadEvent>,
    signal: AbortSignal,
  ): Promise<LoadedModel> {
    const warn: Warn = (code, message) => void onEvent({ status: "warning", code, message });
    const cache = await ModelCache.open(url, placesWith(memory), warn);
    const { manifest, json, addresses } = await findManifest(url, cache, signal, warn);
    void onEvent({ status: "initiate", model: infoOf(manifest) });

    const kept = await cache.adopt(manifest, json);
    const cachedBytes = [...kept.values()].reduce((sum, bytes) => sum + bytes, 0);
    void onEvent({ status: "cache", storage: cache.storage, cachedBytes });

    return this.#build(manifest, kept, wish, onEvent, signal, (progress) =>
      loadShards(manifest, addresses, { cache, progress, signal }),
    );
  }

  /** Builds a model of its shards on the device that suits; `kept` as in {@link Progress}. */
  async #build(
    manifest: Manifest,
    kept: ReadonlyMap<string, number>,
    wish: DeviceWish,
    onEvent: Notify<LoadEvent>,
    signal: AbortSignal,
    shards: (progress: Progress) => AsyncIterable<VerifiedShard>,
  ): Promise<LoadedModel> {
    const warn: Warn = (code, message) => void onEvent({ status: "warning", code, message });
    const start: StartWasm = async (build, heapBytes) => {
      const wasm = await this.#start(build, heapBytes);
      void onEvent({ status: "module", url: wasm.url });
      return wasm;
    };
    const { wasm, device, report } = await chooseDevice(start, wish, manifest, warn);
    this.#wasm = wasm;
    void onEvent({ status: "device", device: report });

    const progress = new Progress(manifest.totalBytes, kept, (report) => {
      void onEvent({ status: "progress", ...report });
    });
    const loader = new wasm.ModelLoader(device, manifest.totalBytes);
    device.free();
    let compiled: Promise<void> | undefined;
    try {
      for await (const { file, bytes } of shards(progress)) {
        for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
          throwIfAborted(signal);
          await calling(() => loader.push(bytes.subarray(start, start + PIECE_BYTES)));
          if (compiled === undefined) {
            const rehearsal = await calling(() => loader.rehearsal());
            if (rehearsal !== undefined) compiled = rehearse(rehearsal, onEvent);
          }
        }
        void onEvent({ status: "done", file });
      }
      await compiled;
    } catch (error) {
      loader.free();
      throw error;
    }
    this.#model = await calling(() => loader.finish());
    await onEvent({ status: "ready" });
    return { info: infoOf(manifest), device: report };
  }

  openSession(
    task: TaskId,
    id: SessionId,
    about: Task | undefined,
    shots: readonly WireShot[],
  ): Promise<void> {
    return this.#runInTurn(task, session(id), async (signal) => {
      const loaded = this.#loaded();
      const opened = await calling(() => new loaded.wasm.Session(loaded.model, about));
      try {
        await withExamples(loaded, shots, signal, (examples) => opened.setExamples(examples));
      } catch (error) {
        opened.free();
        throw error;
      }
      // One that is opened again after its device was lost may have moved here already.
      this.#sessions.get(id)?.free();
      this.#sessions.set(id, opened);
    });
  }

  closeSession(id: SessionId): void {
    // In turn, because a caption that is being written reads the examples.
    void this.#turns.take(session(id), async () => {
      this.#sessions.get(id)?.free();
      this.#sessions.delete(id);
    });
  }

  forgetTurns(task: TaskId, id: SessionId): Promise<void> {
    return this.#runInTurn(task, session(id), () => calling(() => this.#session(id).forgetTurns()));
  }

  answer(
    task: TaskId,
    query: WireQuery,
    remember: boolean,
    options: WireOptions,
    onPiece: Notify<TokenPiece>,
  ): Promise<Caption> {
    return this.#runInTurn(task, session(query.session), (signal) => {
      const tell = timed(onPiece);
      return this.#withQuery(query, signal, (session, query) =>
        write(signal, tell, (hear) =>
          remember ? session.converse(query, options, hear) : session.answer(query, options, hear),
        ),
      );
    });
  }

  choose(
    task: TaskId,
    query: WireQuery,
    choices: readonly string[],
    options: ScoringOptions,
  ): Promise<WasmChoice[]> {
    return this.#runInTurn(task, session(query.session), (signal) =>
      this.#withQuery(query, signal, (session, query) =>
        session.choose(query, [...choices], options),
      ),
    );
  }

  decide(
    task: TaskId,
    query: WireQuery,
    schema: string,
    options: DecisionOptions,
  ): Promise<Decision> {
    return this.#runInTurn(task, session(query.session), (signal) =>
      this.#withQuery(
        query,
        signal,
        async (session, query): Promise<Decision> =>
          JSON.parse(await session.decide(query, schema, options)),
      ),
    );
  }

  beamSearch(task: TaskId, query: WireQuery, options: BeamOptions): Promise<Hypothesis[]> {
    return this.#runInTurn(task, session(query.session), (signal) =>
      this.#withQuery(query, signal, (session, query) => session.beamSearch(query, options)),
    );
  }

  generate(
    task: TaskId,
    asker: SessionId,
    parts: readonly WirePart[],
    options: WireOptions,
    onPiece: Notify<TokenPiece>,
  ): Promise<Caption> {
    return this.#runInTurn(task, session(asker), (signal) => {
      const loaded = this.#loaded();
      const tell = timed(onPiece);
      return withPrompt(loaded, parts, signal, (prompt) =>
        write(signal, tell, (hear) => loaded.model.generate(prompt, options, hear)),
      );
    });
  }

  countTokens(task: TaskId, asker: SessionId, parts: readonly WirePart[]): Promise<number> {
    return this.#runInTurn(task, session(asker), (signal) => {
      const loaded = this.#loaded();
      return withPrompt(loaded, parts, signal, (prompt) => loaded.model.countTokens(prompt));
    });
  }

  embed(task: TaskId, image: WireImage): Promise<Float32Array> {
    return this.#runInTurn(task, "images", () => embed(this.#loaded(), image));
  }

  openSupportSet(task: TaskId, id: SupportSetId, saved: Uint8Array | undefined): Promise<void> {
    return this.#runInTurn(task, supportSet(id), async () => {
      const { wasm, model } = this.#loaded();
      const set = await calling(() =>
        saved === undefined ? new wasm.SupportSet(model) : wasm.SupportSet.fromBytes(saved),
      );
      this.#supportSets.get(id)?.free();
      this.#supportSets.set(id, set);
    });
  }

  closeSupportSet(id: SupportSetId): void {
    void this.#turns.take(supportSet(id), async () => {
      this.#supportSets.get(id)?.free();
      this.#supportSets.delete(id);
    });
  }

  addToSupportSet(
    task: TaskId,
    id: SupportSetId,
    wire: WireImage,
    { image, question = "", text }: SupportExample,
  ): Promise<void> {
    return this.#runInTurn(task, supportSet(id), async (signal) => {
      const set = this.#supportSet(id);
      const embedding = await embed(this.#loaded(), wire);
      await nextTurn();
      throwIfAborted(signal);
      await calling(() => set.add(embedding, image, question, text));
    });
  }

  nearest(
    task: TaskId,
    id: SupportSetId,
    image: WireImage,
    count: number,
  ): Promise<SupportEntry[]> {
    return this.#runInTurn(task, supportSet(id), async () => {
      const set = this.#supportSet(id);
      const embedding = await embed(this.#loaded(), image);
      return calling(() => set.nearest(embedding, count));
    });
  }

  saveSupportSet(task: TaskId, id: SupportSetId): Promise<Uint8Array> {
    return this.#runInTurn(task, supportSet(id), () =>
      calling(() => this.#supportSet(id).toBytes()),
    );
  }

  abort(task: TaskId): void {
    this.#tasks.get(task)?.abort();
  }

  memory(task: TaskId): Promise<MemoryReport> {
    // Not in turn: what a running caption takes is of interest too.
    return this.#run(task, async () => {
      const { wasm, model } = this.#loaded();
      return { heapBytes: wasm.memory.buffer.byteLength, ...model.memory() };
    });
  }

  work(task: TaskId): Promise<WorkReport> {
    return this.#run(task, async () => this.#loaded().model.work());
  }

  copyBandwidth(task: TaskId): Promise<number> {
    return this.#runInTurn(task, "device", () =>
      calling(() => this.#loaded().model.copyBandwidth()),
    );
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

  /** {@link #run}, when it is the turn of the line that it waits in. */
  #runInTurn<T>(task: TaskId, line: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#run(task, (signal) =>
      this.#turns.take(line, async () => {
        throwIfAborted(signal);
        const answer = await work(signal);
        throwIfAborted(signal);
        return answer;
      }),
    );
  }

  async #withQuery<T>(
    { session: id, media, question }: WireQuery,
    signal: AbortSignal,
    use: (session: WasmSession, query: WasmQuery) => Promise<T>,
  ): Promise<T> {
    const loaded = this.#loaded();
    const session = this.#session(id);
    const query = new loaded.wasm.Query(question);
    try {
      if (media !== undefined) {
        await withMedia(loaded, media, signal, (seen) => query.setMedia(seen));
      }
      return await calling(() => use(session, query));
    } finally {
      query.free();
    }
  }

  #session(id: SessionId): WasmSession {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new DisposedError({ what: "session" });
    return session;
  }

  #supportSet(id: SupportSetId): WasmSupportSet {
    const set = this.#supportSets.get(id);
    if (set === undefined) throw new DisposedError({ what: "support set" });
    return set;
  }

  #loaded(): Loaded {
    if (this.#wasm === undefined || this.#model === undefined) {
      throw new DisposedError({ what: "model" });
    }
    return { wasm: this.#wasm, model: this.#model };
  }
}

/** Has the GPU compile what the model will need. Whoever asked for it need not wait at once, nor free it. */
function rehearse(rehearsal: WasmRehearsal, onEvent: Notify<LoadEvent>): Promise<void> {
  const compiled = calling(() =>
    rehearsal.run((done, total) => void onEvent({ status: "compile", done, total })),
  );
  compiled.catch(() => {});
  return compiled;
}

/** The line in which a session's calls wait. */
const session = (id: SessionId) => `session ${id}`;

/** The line in which a support set's calls wait. */
const supportSet = (id: SupportSetId) => `support set ${id}`;

/** Gives each token the time since now: encoding counts, waiting for one's turn does not. */
function timed(onPiece: Notify<TokenPiece>): Notify<WasmPiece> {
  const start = performance.now();
  return (piece) => onPiece({ ...piece, elapsedMs: performance.now() - start });
}

/** Has a text written, each token told to the page as it comes, until it ends or is stopped. */
async function write(
  signal: AbortSignal,
  onPiece: Notify<WasmPiece>,
  generate: (hear: OnPiece) => Promise<Caption>,
): Promise<Caption> {
  let told = Promise.resolve();
  const caption = await generate(async (piece) => {
    told = Promise.resolve(onPiece(piece));
    await nextTurn();
    return !signal.aborted;
  });
  await told;
  return caption;
}
