/**
 * The shards of one model, kept between visits: each by its SHA-256 in a folder
 * that stands for the address of its `model.json`, whatever its query. Nothing that comes from here
 * is believed: whoever reads a shard checks it as if it came from the network.
 *
 * A query may be a token that lets one in, or name one model of several. So the shards of a folder
 * serve all of them, told apart by their content, and each has a record of its own: without its
 * server a model is found only by what names it.
 */

import { describe } from "../errors.js";
import {
  infoOf,
  type Manifest,
  parseManifest,
  type ReadManifest,
  type ShardEntry,
} from "../manifest.js";
import { identityOf, withoutQuery } from "../model-address.js";
import { sha256 } from "../sha256.js";
import type { CachedModel, LoadWarning, StorageKind } from "../types.js";
import type { FileStore } from "./file-store.js";
import type { StoragePlace } from "./places.js";

/** Names of the files beside the shards that say whose they are. */
const RECORD = /^model.*\.json$/;

/** Records in a folder at most: of queries that always change and never name another model. */
const MOST_RECORDS = 4;

/** The content of one. */
interface ModelRecord {
  /** Address of the model's `model.json`. */
  readonly url: string;
  /** The parsed JSON of its `model.json`. */
  readonly manifest: unknown;
  /** When it was written, in milliseconds since 1970. */
  readonly visited?: number;
}

/** A record that could be read. */
interface ReadRecord {
  readonly record: ModelRecord;
  /** Its manifest, checked. */
  readonly manifest: Manifest;
}

/** A record with the name of its file, and the hashes of its model's shards. */
interface FoundRecord extends ReadRecord {
  readonly name: string;
  readonly hashes: readonly string[];
}

/** A store that could be opened. */
interface OpenStore {
  readonly kind: StorageKind;
  readonly store: FileStore;
  /** Whether the record lies there already. */
  recorded?: Promise<void>;
}

/** Told of what the caller may want to know and need not act on. */
export type Warn = (code: LoadWarning, message: string) => void;

/** The cache of one model, over all stores that this page may use. */
export class ModelCache {
  readonly #url: string;
  readonly #folder: string;
  /** Name of its record. */
  readonly #name: string;
  readonly #stores: readonly OpenStore[];
  readonly #warn: Warn;
  #record: Blob = new Blob();
  /** Index of the store that takes new files. */
  #target = 0;

  private constructor(
    url: string,
    { folder, name }: Place,
    stores: readonly OpenStore[],
    warn: Warn,
  ) {
    this.#url = url;
    this.#folder = folder;
    this.#name = name;
    this.#stores = stores;
    this.#warn = warn;
  }

  /** Opens the cache of the model at `url`, in those of `places` that can be had; the last always can. */
  static async open(url: string, places: readonly StoragePlace[], warn: Warn): Promise<ModelCache> {
    const { stores, refusals } = await openAll(places);
    if (stores.length === 1 && refusals.length > 0) {
      warn(
        "storage-refused",
        `The browser lets this page keep no files (${refusals.join("; ")}), so the model stays only while the page is open. Serve the page over https, and outside a sandboxed frame.`,
      );
    }
    return new ModelCache(url, await placeOf(url), stores, warn);
  }

  /** Where new shards go. */
  get storage(): StorageKind {
    return this.#stores[this.#target]?.kind ?? "memory";
  }

  /** The `model.json` of the last visit, for when the server cannot be reached. */
  async manifest(): Promise<ReadManifest | undefined> {
    for (const { store } of this.#stores) {
      const found = await readRecord(store, this.#folder, this.#name);
      if (found !== undefined) return { manifest: found.manifest, json: found.record.manifest };
    }
    return undefined;
  }

  /**
   * Takes over a published model: forgets shards that are no longer part of it nor of another one that
   * lies here, and finds room for those that lack. Returns the lengths in bytes, by file, of the shards that are here whole.
   */
  async adopt(manifest: Manifest, json: unknown): Promise<ReadonlyMap<string, number>> {
    const record: ModelRecord = { url: this.#url, manifest: json, visited: Date.now() };
    this.#record = new Blob([JSON.stringify(record)], { type: "application/json" });
    const lengths = new Map(manifest.shards.map(({ sha256, bytes }) => [sha256, bytes]));
    const whole = new Set<string>();
    for (const { store } of this.#stores) {
      const others = (await recordsIn(store, this.#folder)).filter(
        ({ name }) => name !== this.#name,
      );
      const needed = new Set([this.#name, ...lengths.keys()]);
      for (const { name, hashes } of others.slice(0, MOST_RECORDS - 1)) {
        for (const known of [name, ...hashes]) needed.add(known);
      }
      for (const { name, bytes } of await store.files(this.#folder).catch(() => [])) {
        // One of another length is written over: it may be another tab's that is just being made.
        if (lengths.get(name) === bytes) whole.add(name);
        else if (!needed.has(name)) await this.#forget(store, name);
      }
    }
    const missing = manifest.shards.filter(({ sha256 }) => !whole.has(sha256));
    await this.#makeRoom(missing.reduce((sum, { bytes }) => sum + bytes, 0));
    await this.#keep();
    const present = manifest.shards.filter(({ sha256 }) => whole.has(sha256));
    return new Map(present.map(({ file, bytes }) => [file, bytes]));
  }

  /** A shard's bytes as they lie here in full length, otherwise unchecked. */
  async read({ sha256, bytes }: ShardEntry): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (const { store } of this.#stores) {
      try {
        const blob = await store.read(this.#folder, sha256);
        if (blob?.size === bytes) return new Uint8Array(await blob.arrayBuffer());
      } catch {
        // What cannot be read is fetched, as what is not there.
      }
    }
    return undefined;
  }

  /** Keeps a shard that has passed its check. Where a store takes no more, the next one does. */
  async write({ sha256 }: ShardEntry, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#keep({ name: sha256, content: new Blob([bytes]) });
  }

  /** Forgets a shard that failed its check. */
  async discard({ sha256, file }: ShardEntry): Promise<void> {
    this.#warn(
      "damaged-cache",
      `${file} was damaged where the browser keeps it, and is fetched again.`,
    );
    for (const { store } of this.#stores) await this.#forget(store, sha256);
  }

  /** Writes the record where it is not yet, and then the file. */
  async #keep(file?: { readonly name: string; readonly content: Blob }): Promise<void> {
    for (let index = this.#target; index < this.#stores.length; index = this.#target) {
      const place = this.#stores[index] as OpenStore;
      try {
        place.recorded ??= place.store.write(this.#folder, this.#name, this.#record);
        await place.recorded;
        if (file !== undefined) await place.store.write(this.#folder, file.name, file.content);
        return;
      } catch (error) {
        // Others that were being written at the same time may have moved on already.
        if (this.#target === index) this.#moveOn(index, error);
      }
    }
  }

  /** Leaves the lasting stores at once where the model will not fit. */
  async #makeRoom(bytes: number): Promise<void> {
    const storage: StorageManager | undefined = globalThis.navigator?.storage;
    if (this.#target === this.#last || storage === undefined) return;
    const { quota, usage } = await storage.estimate().catch((): StorageEstimate => ({}));
    if (quota === undefined || usage === undefined || quota - usage >= bytes) return;
    const needed = `${bytes} bytes are needed, ${Math.max(0, quota - usage)} are free`;
    this.#moveOn(this.#target, new DOMException(needed, QUOTA_EXCEEDED));
  }

  /** Finds the store to go on with where that of index `from` failed. */
  #moveOn(from: number, error: unknown): void {
    const { kind } = this.#stores[from] as OpenStore;
    const full = error instanceof DOMException && error.name === QUOTA_EXCEEDED;
    // All lasting stores of an origin share one quota; only memory is beside it.
    this.#target = full && from < this.#last ? this.#last : from + 1;
    const next = this.#stores[this.#target];
    const rest = `the rest of the model ${next === undefined ? "is not kept" : `goes to ${next.kind}`}`;
    if (full) {
      this.#warn(
        "quota",
        `There is no room for the model in ${kind} (${error.message}); ${rest}. Free space on the disk, or remove other models.`,
      );
    } else {
      this.#warn("storage-failed", `${kind} takes no files (${describe(error)}); ${rest}.`);
    }
  }

  /** Index of the store that can always be had: memory. */
  get #last(): number {
    return this.#stores.length - 1;
  }

  async #forget(store: FileStore, name: string): Promise<void> {
    // One that another tab is writing stays.
    await store.remove(this.#folder, name).catch(() => {});
  }
}

const QUOTA_EXCEEDED = "QuotaExceededError";

/** Everything that `places` keep, by model. */
export async function cachedModels(places: readonly StoragePlace[]): Promise<CachedModel[]> {
  const models = new Map<string, CachedModel>();
  for (const { store } of (await openAll(places)).stores) {
    for (const folder of await store.folders()) {
      const files = await store.files(folder);
      for (const { record, manifest, hashes } of await recordsIn(store, folder)) {
        const { url } = record;
        const bytes = files
          .filter(({ name }) => hashes.includes(name))
          .reduce((sum, file) => sum + file.bytes, models.get(url)?.bytes ?? 0);
        models.set(url, { ...infoOf(manifest), url, bytes });
      }
    }
  }
  return [...models.values()];
}

/** Forgets the model at `url` wherever it is kept, and no other that lies beside it. */
export async function removeModel(url: string, places: readonly StoragePlace[]): Promise<void> {
  const { folder, name } = await placeOf(url);
  for (const { store } of (await openAll(places)).stores) {
    const others = (await recordsIn(store, folder)).filter((found) => found.name !== name);
    if (others.length === 0) await store.remove(folder);
    const needed = others.flatMap((other) => [other.name, ...other.hashes]);
    for (const file of others.length === 0 ? [] : await store.files(folder)) {
      if (!needed.includes(file.name)) await store.remove(folder, file.name);
    }
  }
}

/** Where a model is kept. */
interface Place {
  readonly folder: string;
  /** Name of its record there. */
  readonly name: string;
}

async function placeOf(url: string): Promise<Place> {
  const hash = (text: string) => sha256(new TextEncoder().encode(text));
  const path = withoutQuery(url);
  const identity = identityOf(url);
  return {
    folder: await hash(path),
    name: identity === path ? "model.json" : `model-${(await hash(identity)).slice(0, 16)}.json`,
  };
}

/** The records of a folder that can be read, the newest first. */
async function recordsIn(store: FileStore, folder: string): Promise<FoundRecord[]> {
  const found: FoundRecord[] = [];
  for (const { name } of await store.files(folder).catch(() => [])) {
    const read = RECORD.test(name) ? await readRecord(store, folder, name) : undefined;
    if (read === undefined) continue;
    found.push({ ...read, name, hashes: read.manifest.shards.map(({ sha256 }) => sha256) });
  }
  return found.sort((a, b) => (b.record.visited ?? 0) - (a.record.visited ?? 0));
}

async function readRecord(
  store: FileStore,
  folder: string,
  name: string,
): Promise<ReadRecord | undefined> {
  try {
    const blob = await store.read(folder, name);
    if (blob === undefined) return undefined;
    const record: ModelRecord = JSON.parse(await blob.text());
    if (typeof record.url !== "string") return undefined;
    return { record, manifest: parseManifest(record.manifest, record.url) };
  } catch {
    // A record that cannot be read says nothing, as one that is not there.
    return undefined;
  }
}

async function openAll(
  places: readonly StoragePlace[],
): Promise<{ stores: OpenStore[]; refusals: string[] }> {
  const stores: OpenStore[] = [];
  const refusals: string[] = [];
  for (const { kind, open } of places) {
    try {
      stores.push({ kind, store: await open() });
    } catch (error) {
      refusals.push(`${kind}: ${describe(error)}`);
    }
  }
  return { stores, refusals };
}
