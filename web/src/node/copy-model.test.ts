import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
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
import { FileInTheWayError, SourceError } from "./errors.js";

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

test("copies a model of the hub", async () => {
  const log = serve(fakeModel());
  const copied = await copyModel("hf:some-one/tiny@v1", folder);
  expect(copied).toEqual({ name: "tiny", totalBytes: 5, kept: 0, copied: 2 });
  const place = "https://huggingface.co/some-one/tiny/resolve/v1";
  const files = ["model.json", "shard-0.bin", "shard-1.bin"];
  expect(log.map(({ url }) => url)).toEqual(files.map((file) => `${place}/${file}`));
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

test.each([
  ["https://models.test/tiny/model.json?token=a%2Fb", "?token=a%2Fb"],
  ["https://models.test/tiny?token=a#part", "?token=a"],
  ["HTTPS://models.test/tiny/?token=a", "?token=a"],
  ["https://models.test/tiny/model.json#part", ""],
])("the query of %s goes along to the shards, its fragment does not", async (source, query) => {
  const log = serve(fakeModel());
  await copyModel(source, folder);
  expect(log.map(({ url }) => url)).toEqual(
    ["model.json", "shard-0.bin", "shard-1.bin"].map(
      (file) => `https://models.test/tiny/${file}${query}`,
    ),
  );
});

test("shards are fetched from where the model.json was led to", async () => {
  const files = fakeModel();
  const ledTo = "https://cdn.test/v3/model.json?sig=b";
  const log = serve({
    ...files,
    "model.json": { ...(files["model.json"] as { body: string }), ledTo },
  });
  await copyModel(MODEL_URL, folder);
  expect(log.at(-1)?.url).toBe("https://cdn.test/v3/shard-1.bin?sig=b");
});

test("where each file is led elsewhere, they are fetched from where they were asked for", async () => {
  const files = fakeModel();
  const ledTo = "https://cdn.test/blob/1234";
  const log = serve({
    ...files,
    "model.json": { ...(files["model.json"] as { body: string }), ledTo },
    "shard-0.bin": [{ status: 403, body: "" }, files["shard-0.bin"] as { body: string }],
  });
  await copyModel(`${MODEL_URL}?token=a`, folder);
  expect(log.slice(1).map(({ url }) => url)).toEqual([
    "https://cdn.test/blob/shard-0.bin",
    "https://models.test/tiny/shard-0.bin?token=a",
    "https://cdn.test/blob/shard-1.bin",
  ]);
});

test("a model.json with a byte order mark is read from the disk too", async () => {
  await copyModelFrom(fakeModel());
  const file = join(folder, "model.json");
  await writeFile(file, `\ufeff${await readFile(file, "utf8")}`);
  expect((await copyModel(folder, join(folder, "target"))).copied).toBe(2);
  await writeFile(file, Buffer.from(await readFile(file, "utf8"), "utf16le"));
  await expect(copyModel(folder, join(folder, "target"))).rejects.toThrow("UTF-16");
});

test.each(["", "model.json", "model.yaml"])("a path without a model is told: %s", async (file) => {
  const path = join(folder, "nowhere", file);
  const copying = copyModel(path, join(folder, "target"));
  await expect(copying).rejects.toBeInstanceOf(SourceError);
  await expect(copying).rejects.toThrow(path);
});

test.each([
  ["shard-1.bin", "my thesis"],
  ["model.json", "my thesis"],
  ["model.json", '{"name": "another program\'s"}'],
])("a %s that is not the model's is left alone, before anything is written", async (name, text) => {
  const file = join(folder, name);
  await writeFile(file, text);
  const copying = copyModelFrom(fakeModel());
  await expect(copying).rejects.toBeInstanceOf(FileInTheWayError);
  await expect(copying).rejects.toThrow(`${file} is there already`);
  expect(await contents(folder)).toEqual({ [name]: [...Buffer.from(text)] });

  serve(fakeModel());
  expect((await copyModel(MODEL_URL, folder, { force: true })).copied).toBe(2);
  expect((await contents(folder))["shard-1.bin"]).toEqual([4, 5]);
});

test("another model in the folder is not replaced by this one", async () => {
  await copyModelFrom(fakeModel());
  const before = await contents(folder);
  const files = fakeModel([Uint8Array.of(7)]);
  const { body } = files["model.json"] as { body: string };
  await expect(
    copyModelFrom({ ...files, "model.json": { body: body.replace("tiny", "other") } }),
  ).rejects.toBeInstanceOf(FileInTheWayError);
  expect(await contents(folder)).toEqual(before);
  // A new publication of the same one is.
  await copyModelFrom(files);
  expect((await contents(folder))["shard-0.bin"]).toEqual([7]);
});

test("nothing is left beside what was written, nor written into what a link leads to", async () => {
  const elsewhere = join(folder, "elsewhere");
  await writeFile(elsewhere, "my thesis");
  const target = join(folder, "target");
  await mkdir(target);
  await symlink(elsewhere, join(target, "shard-0.bin"));
  serve(fakeModel());
  await expect(copyModel(MODEL_URL, target)).rejects.toBeInstanceOf(FileInTheWayError);
  await copyModel(MODEL_URL, target, { force: true });
  expect(await readFile(elsewhere, "utf8")).toBe("my thesis");
  expect(await readdir(target)).toEqual(["model.json", "shard-0.bin", "shard-1.bin"]);
});

test("what is there whole is not written again", async () => {
  await copyModelFrom(fakeModel());
  const file = join(folder, "model.json");
  const before = await stat(file);
  expect((await copyModelFrom(fakeModel())).copied).toBe(0);
  expect((await stat(file)).ino).toBe(before.ino);
});
