import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  HashMismatchError,
  HttpStatusError,
  ManifestError,
  ShardLengthError,
  UnsupportedVersionError,
} from "../errors.js";
import { fakeModel, MODEL_URL, serve } from "../testing/fake-server.js";
import { copyModel } from "./copy-model.js";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "flamingo-model-"));
});

afterEach(async () => {
  vi.unstubAllGlobals();
  await rm(folder, { recursive: true });
});

const contents = async (folder: string) => {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, [...(await readFile(join(folder, name)))]] as const),
    ),
  );
};

test("copies a model from its address, and what was copied from its path", async () => {
  serve(fakeModel());
  const [first, second] = [join(folder, "public/first"), join(folder, "second")];
  const copied = { name: "tiny", totalBytes: 5, kept: 0, copied: 2 };
  expect(await copyModel(MODEL_URL, first)).toEqual(copied);
  expect(await copyModel(first, second)).toEqual(copied);
  expect(await copyModel(join(first, "model.json"), second)).toEqual({
    ...copied,
    kept: 2,
    copied: 0,
  });
  const files = await contents(second);
  expect(Object.keys(files)).toEqual(["model.json", "shard-0.bin", "shard-1.bin"]);
  expect([files["shard-0.bin"], files["shard-1.bin"]]).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  expect(files).toEqual(await contents(first));
});

test("goes on where it was interrupted, and mends what is damaged", async () => {
  serve({ ...fakeModel(), "shard-1.bin": { status: 503, body: "" } });
  await expect(copyModel(MODEL_URL, folder)).rejects.toBeInstanceOf(HttpStatusError);
  // Nobody is told of a model that is not there.
  expect(Object.keys(await contents(folder))).toEqual(["shard-0.bin"]);
  expect((await copyModelFrom(fakeModel())).kept).toBe(1);

  await writeFile(join(folder, "shard-0.bin"), Uint8Array.of(1, 2, 4));
  expect(await copyModelFrom(fakeModel())).toMatchObject({ kept: 1, copied: 1 });
  expect((await contents(folder))["shard-0.bin"]).toEqual([1, 2, 3]);
});

const copyModelFrom = (files: ReturnType<typeof fakeModel>) => {
  serve(files);
  return copyModel(new URL(".", MODEL_URL).href, folder);
};

test("a folder that is damaged is refused", async () => {
  await copyModelFrom(fakeModel());
  const target = join(folder, "target");
  await writeFile(join(folder, "shard-1.bin"), Uint8Array.of(4, 4));
  await expect(copyModel(folder, target)).rejects.toBeInstanceOf(HashMismatchError);
  await writeFile(join(folder, "shard-1.bin"), Uint8Array.of(4));
  await expect(copyModel(folder, target)).rejects.toBeInstanceOf(ShardLengthError);
  await writeFile(join(folder, "model.json"), "{");
  await expect(copyModel(folder, target)).rejects.toBeInstanceOf(ManifestError);
  await writeFile(join(folder, "model.json"), '{"format_version": 9}');
  await expect(copyModel(folder, target)).rejects.toBeInstanceOf(UnsupportedVersionError);
});
