/**
 * `model.json`: what a published model consists of. It comes from a server,
 * so nothing in it is believed before it has been checked here.
 */

import { heapBytesOf } from "./device-memory.js";
import { ManifestError, UnsupportedVersionError } from "./errors.js";
import { textOf } from "./text-of.js";
import type { ModelInfo } from "./types.js";

/** The format version this package reads. */
export const FORMAT_VERSION = 1;

/** Largest shard a model may have: one is held in memory while its hash is checked. */
export const MAX_SHARD_BYTES = 16 * 1024 * 1024;

/** Longest `model.json`: a hundred thousand shards. What is longer is another file. */
export const MAX_MANIFEST_BYTES = MAX_SHARD_BYTES;

/** One file of the model. */
export interface ShardEntry {
  /** Name of a file beside `model.json`. */
  readonly file: string;
  /** Its length. */
  readonly bytes: number;
  /** Its SHA-256, in lower-case hexadecimal. */
  readonly sha256: string;
}

/** A checked `model.json`. */
export interface Manifest {
  readonly name: string;
  /** The family of a released model. */
  readonly family: string | undefined;
  readonly licence: string;
  readonly totalBytes: number;
  /** Memory the loaded model takes, in bytes. */
  readonly memoryBytes: number;
  /** Bytes of the largest tensor. A GPU whose buffers are smaller gets it in parts. */
  readonly largestTensorBytes: number;
  readonly shards: readonly ShardEntry[];
  /** The architecture and the prompts, unchecked. */
  readonly config: unknown;
}

/** A manifest, and the JSON that it was read from. */
export interface ReadManifest {
  readonly manifest: Manifest;
  readonly json: unknown;
}

/** Reads and checks the bytes of a `model.json`; `url` is where it comes from. */
export function manifestOf(bytes: Uint8Array, url: string): ReadManifest {
  const fail = (field: string, cause?: unknown) => new ManifestError({ url, field }, { cause });
  if (bytes.length > MAX_MANIFEST_BYTES) throw fail("it is larger than 16 MiB");
  let json: unknown;
  try {
    json = JSON.parse(textOf(bytes, fail));
  } catch (error) {
    throw error instanceof ManifestError ? error : fail("it is not JSON", error);
  }
  return { manifest: parseManifest(json, url), json };
}

/** What a manifest says about its model to people. */
export function infoOf(manifest: Manifest): ModelInfo {
  const { shards: _, largestTensorBytes: __, ...info } = manifest;
  return {
    ...info,
    heapBytes: { cpu: heapBytesOf(manifest, "cpu"), webgpu: heapBytesOf(manifest, "webgpu") },
  };
}

/** Checks the parsed JSON of `url`. */
export function parseManifest(json: unknown, url: string): Manifest {
  const root = new Fields(json, url, "");
  const version = root.count("format_version");
  if (version !== FORMAT_VERSION) {
    throw new UnsupportedVersionError({ url, found: version, supported: FORMAT_VERSION });
  }
  const shards = root.list("shards").map((shard) => ({
    file: shard.matching("file", /^[A-Za-z0-9][A-Za-z0-9._-]*$/),
    bytes: shard.count("bytes"),
    sha256: shard.matching("sha256", /^[0-9a-f]{64}$/),
  }));
  const totalBytes = root.count("total_bytes");
  if (shards.some(({ bytes }) => bytes > MAX_SHARD_BYTES)) {
    throw new ManifestError({ url, field: "a shard of more than 16 MiB" });
  }
  if (shards.reduce((sum, { bytes }) => sum + bytes, 0) !== totalBytes) {
    throw new ManifestError({ url, field: "total_bytes is not the sum of the shards" });
  }
  const { family, config } = json as Partial<Record<string, unknown>>;
  return {
    name: root.text("name"),
    family: typeof family === "string" ? family : undefined,
    licence: root.text("licence"),
    totalBytes,
    memoryBytes: root.count("estimated_memory_bytes"),
    largestTensorBytes: root.object("required_gpu_limits").count("max_buffer_size"),
    shards,
    config,
  };
}

/** Typed reading of an unknown object; a miss names the field. */
class Fields {
  readonly #object: Record<string, unknown>;
  readonly #url: string;
  readonly #path: string;

  constructor(value: unknown, url: string, path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ManifestError({ url, field: `${path || "the file"} is not an object` });
    }
    this.#object = value as Record<string, unknown>;
    this.#url = url;
    this.#path = path;
  }

  text(key: string): string {
    const value = this.#object[key];
    return typeof value === "string" ? value : this.#fail(key, "a text");
  }

  matching(key: string, pattern: RegExp): string {
    const value = this.text(key);
    return pattern.test(value) ? value : this.#fail(key, `of the form ${pattern.source}`);
  }

  count(key: string): number {
    const value = this.#object[key];
    return Number.isSafeInteger(value) && (value as number) >= 0
      ? (value as number)
      : this.#fail(key, "a whole number");
  }

  object(key: string): Fields {
    return new Fields(this.#object[key], this.#url, this.#name(key));
  }

  list(key: string): Fields[] {
    const value = this.#object[key];
    if (!Array.isArray(value)) return this.#fail(key, "a list");
    return value.map((item, i) => new Fields(item, this.#url, `${this.#name(key)}[${i}]`));
  }

  #name(key: string): string {
    return this.#path ? `${this.#path}.${key}` : key;
  }

  #fail(key: string, wanted: string): never {
    throw new ManifestError({ url: this.#url, field: `${this.#name(key)} is not ${wanted}` });
  }
}
