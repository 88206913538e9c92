/** Models that lie in a folder at hand instead of on a server. */

import {
  describe,
  HashMismatchError,
  ModelFileError,
  ShardLengthError,
  throwIfAborted,
} from "./errors.js";
import { MAX_MANIFEST_BYTES, type Manifest, manifestOf, type ShardEntry } from "./manifest.js";
import type { Progress } from "./progress.js";
import { sha256 } from "./sha256.js";
import type { VerifiedShard } from "./shards.js";

/** The files of a model's folder. Whoever implements it brings models from anywhere: an archive, a database. */
export interface ModelFolder {
  /** What people call it; it is used in messages. */
  readonly name: string;
  /** The content of `model.json` or of a shard. Rejects where there is no such file. */
  read(file: string): Promise<Blob>;
}

/**
 * A model's folder on the disk: the files of an `<input type="file" webkitdirectory>` or of a drop,
 * or what `showDirectoryPicker` gives. Nothing of it is copied; it is read when the model is loaded,
 * and again where a lost device has to be replaced.
 *
 * @throws a {@link ModelFileError} where there is no `model.json` among the files.
 */
export function folderOf(files: Iterable<File> | FileSystemDirectoryHandle): ModelFolder {
  return "getFileHandle" in files ? ofHandle(files) : ofFiles([...files]);
}

function ofHandle(handle: FileSystemDirectoryHandle): ModelFolder {
  const { name } = handle;
  return { name, read: async (file) => (await handle.getFileHandle(file)).getFile() };
}

function ofFiles(files: readonly File[]): ModelFolder {
  // A folder is given with the folders in it; the model is where its manifest is.
  const depth = (file: File) => folderPath(file).split("/").length;
  const [manifest, other] = files
    .filter(({ name }) => name === MANIFEST)
    .sort((a, b) => depth(a) - depth(b));
  const folder = manifest === undefined ? "" : folderPath(manifest);
  const name = folder.slice(folder.lastIndexOf("/") + 1) || "the folder";
  if (manifest === undefined) {
    throw new ModelFileError({ folder: name, file: MANIFEST, reason: "it is not there" });
  }
  if (other !== undefined && depth(other) === depth(manifest)) {
    const reason = `there is one in ${folderPath(other)} too`;
    throw new ModelFileError({ folder, file: MANIFEST, reason });
  }
  const beside = new Map(
    files.filter((file) => folderPath(file) === folder).map((file) => [file.name, file]),
  );
  return {
    name,
    read: async (file) => {
      const found = beside.get(file);
      if (found === undefined) throw new Error("it is not there");
      return found;
    },
  };
}

/** Path of the folder that a chosen file is in, as far as the browser tells. */
function folderPath({ webkitRelativePath }: File): string {
  return webkitRelativePath.slice(0, Math.max(0, webkitRelativePath.lastIndexOf("/")));
}

const MANIFEST = "model.json";

/** A folder as it crosses to the Worker: all of it but the name is a call. */
export type FolderFiles = Pick<ModelFolder, "read">;

/** Reads and checks the `model.json` of the folder called `name`. */
export async function readManifest(folder: FolderFiles, name: string): Promise<Manifest> {
  const blob = await readFile(folder, name, MANIFEST);
  // One byte more than there may be: a file of any size may have been chosen.
  const bytes = await contentOf(blob.slice(0, MAX_MANIFEST_BYTES + 1), name, MANIFEST);
  return manifestOf(bytes, `${name}/${MANIFEST}`).manifest;
}

/** Brings the shards in order, each checked as if it came from a network. */
export async function* readShards(
  manifest: Manifest,
  folder: FolderFiles,
  name: string,
  { progress, signal }: { readonly progress: Progress; readonly signal: AbortSignal },
): AsyncGenerator<VerifiedShard> {
  for (const shard of manifest.shards) {
    throwIfAborted(signal);
    const { file } = shard;
    const bytes = await readShard(shard, folder, name);
    progress.read(file, bytes.length);
    yield { file, bytes };
  }
}

/** Reads one shard of the folder called `name`, and checks its length and hash. */
export async function readShard(
  { file, bytes: expected, sha256: hash }: ShardEntry,
  folder: FolderFiles,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const blob = await readFile(folder, name, file);
  const url = `${name}/${file}`;
  // Before it is read: a file of any size may have been chosen.
  if (blob.size !== expected) {
    throw new ShardLengthError({ url, expected, received: blob.size });
  }
  const bytes = await contentOf(blob, name, file);
  const received = await sha256(bytes);
  if (received !== hash) throw new HashMismatchError({ url, expected: hash, received });
  return bytes;
}

async function readFile(folder: FolderFiles, name: string, file: string): Promise<Blob> {
  try {
    return await folder.read(file);
  } catch (cause) {
    throw new ModelFileError({ folder: name, file, reason: describe(cause) }, { cause });
  }
}

/** A file that has changed or gone since it was chosen cannot be read any more. */
async function contentOf(blob: Blob, name: string, file: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    throw new ModelFileError({ folder: name, file, reason: describe(cause) }, { cause });
  }
}
