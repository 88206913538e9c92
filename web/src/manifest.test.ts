import { expect, test } from "vitest";
import { ManifestError, UnsupportedVersionError } from "./errors.js";
import { infoOf, MAX_SHARD_BYTES, parseManifest } from "./manifest.js";

const URL = "https://models.test/model.json";
const SHA256 = "0".repeat(64);

function valid() {
  return {
    format_version: 1,
    name: "tiny",
    licence: "MIT",
    total_bytes: 7,
    estimated_memory_bytes: 9,
    shards: [
      { file: "a.bin", bytes: 4, sha256: SHA256 },
      { file: "b.bin", bytes: 3, sha256: SHA256 },
    ],
    required_gpu_limits: { max_buffer_size: 10, max_storage_buffer_binding_size: 10 },
    family: "IDEFICS",
    config: { language: { width: 4 } },
  };
}

test("reads a whole model.json", () => {
  expect(parseManifest(valid(), URL)).toEqual({
    name: "tiny",
    licence: "MIT",
    totalBytes: 7,
    memoryBytes: 9,
    shards: [
      { file: "a.bin", bytes: 4, sha256: SHA256 },
      { file: "b.bin", bytes: 3, sha256: SHA256 },
    ],
    largestTensorBytes: 10,
    family: "IDEFICS",
    config: { language: { width: 4 } },
  });
});

test("people are told the family and the memory, on either device", () => {
  const { largestTensorBytes: _, shards: __, ...told } = parseManifest(valid(), URL);
  const beside = 2 ** 27;
  expect(infoOf(parseManifest(valid(), URL))).toEqual({
    ...told,
    heapBytes: { cpu: 9 + 10 + beside, webgpu: 10 + beside },
  });
  expect(parseManifest({ ...valid(), family: 3 }, URL).family).toBeUndefined();
});

const shard = (changes: object) => ({
  shards: [{ file: "a.bin", bytes: 7, sha256: SHA256, ...changes }],
});

test.each([
  ["name", { name: 3 }],
  ["total_bytes", { total_bytes: 8 }],
  ["total_bytes", { total_bytes: -1 }],
  ["shards is not a list", { shards: {} }],
  ["shards[0]", { shards: [null] }],
  ["shards[0].file", shard({ file: "../a.bin" })],
  ["shards[0].file", shard({ file: "https://elsewhere.test/a.bin" })],
  ["shards[0].file", shard({ file: "" })],
  ["shards[0].bytes", shard({ bytes: 6.5 })],
  ["16 MiB", shard({ bytes: MAX_SHARD_BYTES + 1 })],
  ["shards[0].sha256", shard({ sha256: "abc" })],
  ["required_gpu_limits", { required_gpu_limits: undefined }],
  ["required_gpu_limits.max_buffer_size", { required_gpu_limits: { max_buffer_size: "1" } }],
])("names %s where it is wrong", (field, changes) => {
  const error = catchError(() => parseManifest({ ...valid(), ...changes }, URL));
  expect(error).toBeInstanceOf(ManifestError);
  expect((error as ManifestError).details.field).toContain(field);
});

test.each([[null], [[]], ["text"]])("refuses %j in place of an object", (json) => {
  expect(catchError(() => parseManifest(json, URL))).toBeInstanceOf(ManifestError);
});

test("says which side to update when the version differs", () => {
  const error = catchError(() => parseManifest({ ...valid(), format_version: 2 }, URL));
  expect(error).toBeInstanceOf(UnsupportedVersionError);
  expect((error as Error).message).toContain("Update flamingo-web");
});

function catchError(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}
