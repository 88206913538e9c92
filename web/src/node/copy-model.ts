/** A published model from where it lies into a folder that a static host serves. Runs in Node. */

import { lstat, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fetchManifest, fetchShard } from "../download.js";
import { type Manifest, manifestOf, type ReadManifest, type ShardEntry } from "../manifest.js";
import { addressesBeside, manifestAddress } from "../model-address.js";
import { readShard } from "../model-folder.js";
import { sha256 } from "../sha256.js";
import { FileInTheWayError, SourceError } from "./errors.js";

const MANIFEST = "model.json";

/** What was done. */
export interface CopiedModel {
  /** Name of the model. */
  readonly name: string;
  /** Bytes of all its shards. */
  readonly totalBytes: number;
  /** Shards that lay in the folder already. */
  readonly kept: number;
  /** Shards that were copied. */
  readonly copied: number;
}

/** How a model is copied. */
export interface CopyOptions {
  /** Replaces files of the same names that are not this model's. False by default. */
  readonly force?: boolean;
}

/**
 * Copies the model at `source`, the address or the path of a `model.json` or of its folder, into
 * `folder`. Every shard is checked; one that is there already stays, so that a copy that was
 * interrupted goes on. `model.json` comes last: who sees it finds all it names. A file that an
 * earlier copy of the model did not make is never written over, and is found before anything is
 * written.
 *
 * @throws a {@link FlamingoError}, of the class of its cause, a {@link SourceError}, a
 * {@link FileInTheWayError}, or what the file system throws.
 */
export async function copyModel(
  source: string,
  folder: string,
  { force = false }: CopyOptions = {},
): Promise<CopiedModel> {
  const { manifest, json, read } = await open(source);
  const missing: ShardEntry[] = [];
  const inTheWay: string[] = [];
  const earlier = await earlierCopy(folder);
  const isOurs = (shard: ShardEntry) =>
    earlier?.name === manifest.name && earlier.shards.some(({ file }) => file === shard.file);
  for (const shard of manifest.shards) {
    const file = join(folder, shard.file);
    if (await isWhole(file, shard)) continue;
    missing.push(shard);
    if ((await exists(file)) && !isOurs(shard)) inTheWay.push(file);
  }
  const target = join(folder, MANIFEST);
  if (earlier?.name !== manifest.name && (await exists(target))) inTheWay.push(target);
  const [file] = inTheWay;
  if (file !== undefined && !force) throw new FileInTheWayError(file, manifest.name);

  await mkdir(folder, { recursive: true });
  for (const shard of missing) await replace(join(folder, shard.file), await read(shard));
  const text = `${JSON.stringify(json, undefined, 2)}\n`;
  if ((await readFile(target, "utf8").catch(() => "")) !== text) await replace(target, text);
  const { name, totalBytes, shards } = manifest;
  return { name, totalBytes, kept: shards.length - missing.length, copied: missing.length };
}

/** A model that can be read, whole shard by whole shard. */
interface OpenModel extends ReadManifest {
  read(shard: ShardEntry): Promise<Uint8Array<ArrayBuffer>>;
}

function open(source: string): Promise<OpenModel> {
  // A drive of Windows looks like the scheme of an address, but for its length.
  const [, scheme = ""] = /^([a-z][a-z0-9+.-]+):/i.exec(source) ?? [];
  switch (scheme.toLowerCase()) {
    case "hf":
    case "http":
    case "https":
      return openAddress(source);
    case "file":
      return openPath(fileURLToPath(source));
    default:
      return openPath(source);
  }
}

async function openAddress(source: string): Promise<OpenModel> {
  const url = new URL(manifestAddress(source));
  // What does not name a file of JSON is the folder.
  if (!/\.json$/i.test(url.pathname)) url.pathname += `/${MANIFEST}`;
  const { signal } = new AbortController();
  const { addresses, ...model } = await fetchManifest(url.href, signal);
  const onBytes = () => {};
  return {
    ...model,
    read: (shard) => fetchShard(shard, addressesBeside(shard.file, addresses), { signal, onBytes }),
  };
}

async function openPath(source: string): Promise<OpenModel> {
  const found = await stat(source).catch((cause: unknown) => {
    throw new SourceError(source, { cause });
  });
  const [name, file] = found.isDirectory()
    ? [source, MANIFEST]
    : [dirname(source), basename(source)];
  const bytes = await readFile(join(name, file)).catch((cause: unknown) => {
    throw new SourceError(join(name, file), { cause });
  });
  const folder = { read: async (file: string) => new Blob([await readFile(join(name, file))]) };
  return {
    ...manifestOf(bytes, join(name, file)),
    read: (shard) => readShard(shard, folder, name),
  };
}

/** The source of an earlier copy into the folder. */
async function earlierCopy(folder: string): Promise<Manifest | undefined> {
  const target = join(folder, MANIFEST);
  try {
    return manifestOf(await readFile(target), target).manifest;
  } catch {
    // Another file, or none: nothing in the folder is known to be ours.
    return undefined;
  }
}

async function exists(file: string): Promise<boolean> {
  return (await lstat(file).catch(() => undefined)) !== undefined;
}

async function isWhole(file: string, shard: ShardEntry): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile() || found.size !== shard.bytes) return false;
  return (await sha256(new Uint8Array(await readFile(file)))) === shard.sha256;
}

/** Writes a file so that it appears whole or not at all, and beside what others may have written. */
async function replace(file: string, content: Uint8Array | string): Promise<void> {
  const beside = `${file}.${crypto.randomUUID()}.part`;
  try {
    await writeFile(beside, content, { flag: "wx" });
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
