/** A published model from where it lies into a folder that a static host serves. Runs in Node. */

import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fetchManifest, fetchShard } from "../download.js";
import { manifestOf, type ReadManifest, type ShardEntry } from "../manifest.js";
import { readShard } from "../model-folder.js";
import { sha256 } from "../sha256.js";

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

/**
 * Copies the model at `source`, the address or the path of a `model.json` or of its folder, into
 * `folder`. Every shard is checked; one that is there already stays, so that a copy that was
 * interrupted goes on. `model.json` comes last: who sees it finds all it names.
 *
 * @throws a {@link FlamingoError}, of the class of its cause, or what the file system throws.
 */
export async function copyModel(source: string, folder: string): Promise<CopiedModel> {
  const { manifest, json, read } = await open(source);
  await mkdir(folder, { recursive: true });
  let copied = 0;
  for (const shard of manifest.shards) {
    const file = join(folder, shard.file);
    if (await isWhole(file, shard)) continue;
    await replace(file, await read(shard));
    copied += 1;
  }
  await replace(join(folder, "model.json"), `${JSON.stringify(json, undefined, 2)}\n`);
  const { name, totalBytes, shards } = manifest;
  return { name, totalBytes, kept: shards.length - copied, copied };
}

/** A model that can be read, whole shard by whole shard. */
interface OpenModel extends ReadManifest {
  read(shard: ShardEntry): Promise<Uint8Array<ArrayBuffer>>;
}

async function open(source: string): Promise<OpenModel> {
  const name = source.replace(/\/?(model\.json)?$/, "");
  if (/^https?:/.test(name)) {
    const { signal } = new AbortController();
    const onBytes = () => {};
    return {
      ...(await fetchManifest(`${name}/model.json`, signal)),
      read: (shard) => fetchShard(shard, `${name}/${shard.file}`, { signal, onBytes }),
    };
  }
  const folder = { read: async (file: string) => new Blob([await readFile(join(name, file))]) };
  return {
    ...manifestOf(await readFile(join(name, "model.json"), "utf8"), `${name}/model.json`),
    read: (shard) => readShard(shard, folder, name),
  };
}

async function isWhole(file: string, shard: ShardEntry): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  if (found?.size !== shard.bytes) return false;
  return (await sha256(new Uint8Array(await readFile(file)))) === shard.sha256;
}

/** Writes a file so that it appears whole or not at all. */
async function replace(file: string, content: Uint8Array | string): Promise<void> {
  await writeFile(`${file}.part`, content);
  await rename(`${file}.part`, file);
}
