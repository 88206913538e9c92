/** The model, as a page holds it. */

import { proxy } from "comlink";
import { Connection } from "./connection.js";
import { describe, StartError } from "./errors.js";
import { imageToWire } from "./media.js";
import { manifestAddress } from "./model-address.js";
import type { ModelFolder } from "./model-folder.js";
import { type Call, ModelHost, type StartWorker } from "./model-host.js";
import type { LoadedModel, SessionId, SupportSetId } from "./protocol.js";
import { Session, type SessionOptions } from "./session.js";
import { pageMemory } from "./storage/memory.js";
import { SupportSet } from "./support-set.js";
import type {
  CachedModel,
  DevicePreference,
  DeviceReport,
  DeviceWish,
  ImageSource,
  LoadEvent,
  MemoryReport,
  ModelInfo,
  WorkReport,
} from "./types.js";

/** How a model is loaded. */
export interface LoadOptions {
  /** Where it runs. `auto` by default. */
  readonly device?: DevicePreference;
  /**
   * Has the CPU round activations to bytes before it multiplies them with quantized weights: a
   * token takes less than half the time, and now and then another token is the likeliest. Off by
   * default.
   */
  readonly int8Activations?: boolean;
  /** Stops the loading; `load` then rejects with an `AbortError`. */
  readonly signal?: AbortSignal;
  /** Told of each step; see {@link LoadEvent}. */
  readonly onProgress?: (event: LoadEvent) => void;
  /**
   * Asks the browser not to evict the model when the disk fills up. True by default; Firefox puts
   * the question to the user, others decide by themselves.
   */
  readonly persist?: boolean;
}

/**
 * A Flamingo model. It lives in a Worker of its own and never computes on the
 * page's thread.
 *
 * ```ts
 * const model = await Flamingo.load("/models/flamingo-smollm2-135m/model.json");
 * const session = model.session({ shots: [{ image: file, text: "A dog in the snow" }] });
 * for await (const { text } of session.caption(photo)) write(text);
 * ```
 */
export class Flamingo {
  readonly #host: ModelHost;
  #lastSession: SessionId = 0;
  #lastSupportSet: SupportSetId = 0;

  private constructor(host: ModelHost) {
    this.#host = host;
  }

  /** What `model.json` says of the model. */
  get info(): ModelInfo {
    return this.#host.loaded.info;
  }

  /** Where it runs, and why. It may be another device after one was lost. */
  get device(): DeviceReport {
    return this.#host.loaded.device;
  }

  /**
   * Loads the model whose `model.json` is at an address (relative to the page), or that of a folder
   * at hand. An address that ends in a slash is that of the folder; its query goes along to the
   * shards. Shards that are fetched are kept, so that the next visit fetches none of them and one
   * after an interruption only those that lack. A {@link ModelFolder} stays where it is.
   *
   * @throws a {@link FlamingoError}, of the class of its cause.
   */
  static async load(
    source: string | URL | ModelFolder,
    options: LoadOptions = {},
  ): Promise<Flamingo> {
    const { device = "auto", int8Activations = false, persist = true } = options;
    const { signal, onProgress = () => {} } = options;
    const load = loading(source, { preference: device, int8Activations }, onProgress);
    // Only a page may ask. Whatever the answer is, the files are kept for now.
    if (persist) navigator.storage?.persist?.().catch(() => {});
    const start: StartWorker = async (signal) => {
      const connection = Connection.toWorker();
      try {
        return { connection, loaded: await connection.call(load, signal) };
      } catch (error) {
        connection.close("model");
        throw error;
      }
    };
    const onLost = () => {
      onProgress({
        status: "warning",
        code: "device-lost",
        message: "The GPU went away, so the model is loaded again. What was being written goes on.",
      });
    };
    return new Flamingo(await ModelHost.open(start, onLost, signal));
  }

  /**
   * What the `model.json` at an address (relative to the page) or in a folder says of its model.
   * Where the server gives none it is the one of the last visit.
   *
   * @throws a {@link FlamingoError}, of the class of its cause.
   */
  static async inspect(
    source: string | URL | ModelFolder,
    { signal = new AbortController().signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<ModelInfo> {
    const place = isFolder(source) ? source : addressOf(source);
    return (await models()).inspectModel(place, signal);
  }

  /** The models of which at least something is kept for the next visit, whole or in part. */
  static async cached(): Promise<CachedModel[]> {
    return (await models()).keptModels();
  }

  /**
   * Forgets what is kept of the model whose `model.json` is at `url` (relative to the page). One
   * that is loaded stays loaded.
   *
   * @throws a {@link ModelInUseError} where it is just being downloaded, by whichever tab.
   */
  static async remove(url: string | URL): Promise<void> {
    const address = addressOf(url);
    return (await models()).forgetModel(address);
  }

  /**
   * Puts a task and its examples in front of the model. Any number of sessions share the model:
   * each answers its calls in their order, and those that are asked at the same time take turns,
   * a text at a time.
   */
  session(options: SessionOptions = {}): Session {
    return new Session(this.#host, ++this.#lastSession, options);
  }

  /**
   * What an image looks like to the vision encoder, as a direction: as many numbers as the encoder
   * is wide, of length 1. The scalar product of two is their cosine.
   */
  async embed(
    image: ImageSource,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    const wire = await imageToWire(image);
    return this.#host.call((remote, task) => remote.embed(task, wire), signal);
  }

  /** A set of images to choose examples from: an empty one, or one that {@link SupportSet.save} gave. */
  supportSet(saved?: Uint8Array): SupportSet {
    return new SupportSet(this.#host, ++this.#lastSupportSet, saved);
  }

  /** Memory the model holds now. */
  memory(): Promise<MemoryReport> {
    return this.#host.call((remote, task) => remote.memory(task));
  }

  /** What decoding takes: bytes of weights a token, dispatches so far. */
  work(): Promise<WorkReport> {
    return this.#host.call((remote, task) => remote.work(task));
  }

  /**
   * Measures the bandwidth of the device's memory: bytes read and written per second where 64 MiB
   * are copied, on the CPU by one thread. Decoding cannot read its weights faster. It takes a
   * moment and 128 MiB, by which the WebAssembly heap stays larger where the device is the CPU.
   */
  copyBandwidth({ signal }: { readonly signal?: AbortSignal } = {}): Promise<number> {
    return this.#host.call((remote, task) => remote.copyBandwidth(task), signal);
  }

  /** Ends the Worker, and with it everything the model holds on the heap and the GPU. */
  dispose(): void {
    this.#host.close("model");
  }
}

/** Fetched when it is needed: a page that loads its one model has no use for it. */
const models = () =>
  import("./models.js").catch((cause: unknown) => {
    throw new StartError({ reason: describe(cause) }, { cause });
  });

function loading(
  source: string | URL | ModelFolder,
  wish: DeviceWish,
  onProgress: (event: LoadEvent) => void,
): Call<LoadedModel> {
  if (isFolder(source)) {
    const { name } = source;
    return (remote, task) => remote.loadFolder(task, name, proxy(source), wish, proxy(onProgress));
  }
  const url = addressOf(source);
  return (remote, task) => remote.load(task, url, wish, proxy(pageMemory), proxy(onProgress));
}

function isFolder(source: string | URL | ModelFolder): source is ModelFolder {
  return typeof source === "object" && "read" in source;
}

function addressOf(url: string | URL): string {
  return manifestAddress(url, document.baseURI);
}
