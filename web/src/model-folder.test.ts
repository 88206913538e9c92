/** Models from a folder at hand, from the files to the module. */

import { proxy } from "comlink";
import { expect, test } from "vitest";
import { HashMismatchError, ManifestError, ModelFileError, ShardLengthError } from "./errors.js";
import { Flamingo } from "./flamingo.js";
import { folderOf, type ModelFolder } from "./model-folder.js";
import { FAKE_INFO, type FakeFile, fakeModel } from "./testing/fake-server.js";
import { join } from "./testing/fake-worker.js";
import type { DeviceWish, LoadEvent } from "./types.js";

/** The files of the fake model as a browser gives those of a chosen folder. */
function chosen(changes: Record<string, string | undefined> = {}, folder = "models/tiny"): File[] {
  const bodies = Object.entries(fakeModel()).map(([name, file]) => [name, (file as FakeFile).body]);
  const files = { ...Object.fromEntries(bodies), ...changes };
  return Object.entries(files)
    .filter(([, body]) => body !== undefined)
    .map(([name, body]) => fileAt(`${folder}/${name}`, body as string));
}

function fileAt(path: string, body: string | Uint8Array<ArrayBuffer>): File {
  const file = new File([body], path.slice(path.lastIndexOf("/") + 1));
  return Object.defineProperty(file, "webkitRelativePath", { value: path });
}

const AUTO: DeviceWish = { preference: "auto", int8Activations: false };

async function load(folder: ModelFolder) {
  const { wasm, connection } = join();
  const events: LoadEvent[] = [];
  const onEvent = proxy((event: LoadEvent) => void events.push(event));
  const loaded = await connection.call((remote, task) =>
    remote.loadFolder(task, folder.name, proxy(folder), AUTO, onEvent),
  );
  return { wasm, loaded, events };
}

test("a model is loaded from the files of a folder, in order, every byte once", async () => {
  const { wasm, loaded, events } = await load(folderOf(chosen().reverse()));
  expect(wasm.pushed).toEqual([1, 2, 3, 4, 5]);
  expect(loaded.info.name).toBe("tiny");
  expect(events.map(({ status }) => status)).toEqual([
    "initiate",
    "module",
    "device",
    "progress",
    "compile",
    "compile",
    "done",
    "progress",
    "done",
    "ready",
  ]);
  // The handles of what loading took along.
  expect([...wasm.alive].filter((handle) => !handle.startsWith("model"))).toEqual([]);
});

test("a GPU that fails while it compiles fails the loading", async () => {
  const { wasm, connection } = join();
  wasm.rehearsalFault = { code: "device", message: "the shader was refused" };
  const folder = folderOf(chosen());
  const loading = connection.call((remote, task) =>
    remote.loadFolder(
      task,
      folder.name,
      proxy(folder),
      AUTO,
      proxy(() => {}),
    ),
  );
  await expect(loading).rejects.toMatchObject({
    code: "device",
    details: { reason: "the shader was refused" },
  });
  expect([...wasm.alive]).toEqual([]);
});

test("files of other folders beside it are not taken for its own", async () => {
  const files = [fileAt("models/old/shard-0.bin", "old"), ...chosen(), fileAt("models/a.txt", "")];
  const folder = folderOf(files);
  expect(folder.name).toBe("tiny");
  expect((await load(folder)).wasm.pushed).toEqual([1, 2, 3, 4, 5]);
});

test("a directory handle is a folder too", async () => {
  const files = new Map(chosen().map((file) => [file.name, file]));
  const handle = {
    kind: "directory",
    name: "tiny",
    getFileHandle: async (name: string) => {
      const file = files.get(name);
      if (file === undefined) throw new DOMException("no such file", "NotFoundError");
      return { getFile: async () => file };
    },
  } as unknown as FileSystemDirectoryHandle;
  expect((await load(folderOf(handle))).wasm.pushed).toEqual([1, 2, 3, 4, 5]);
  files.delete("shard-1.bin");
  await expect(load(folderOf(handle))).rejects.toMatchObject({
    code: "model-file",
    details: { folder: "tiny", file: "shard-1.bin", reason: "no such file" },
  });
});

test("what a folder says of its model is known without loading it", async () => {
  expect(await Flamingo.inspect(folderOf(chosen()))).toEqual({
    ...FAKE_INFO,
    totalBytes: 5,
  });
});

test("a folder without a model.json is refused at once", () => {
  expect(() => folderOf(chosen({ "model.json": undefined }))).toThrow(ModelFileError);
  expect(() => folderOf([])).toThrow("model.json");
});

test.each<[string, Record<string, string | undefined>, unknown]>([
  ["a shard that lacks", { "shard-1.bin": undefined }, ModelFileError],
  ["a shard with a wrong byte", { "shard-1.bin": "45" }, HashMismatchError],
  ["a shard cut short", { "shard-0.bin": "1" }, ShardLengthError],
  ["a model.json that is none", { "model.json": "<html>" }, ManifestError],
])("%s fails the loading, and leaves nothing behind", async (_, changes, expected) => {
  const { wasm, connection } = join();
  const folder = folderOf(chosen(changes));
  const loading = connection.call((remote, task) =>
    remote.loadFolder(
      task,
      folder.name,
      proxy(folder),
      AUTO,
      proxy(() => {}),
    ),
  );
  await expect(loading).rejects.toBeInstanceOf(expected as never);
  expect(wasm.alive.size).toBe(0);
});

test("a file that has gone since it was chosen is told as such", async () => {
  const gone = Object.assign(new Blob([Uint8Array.of(1, 2, 3)]), {
    arrayBuffer: () => Promise.reject(new DOMException("it has changed", "NotReadableError")),
  });
  const tiny = folderOf(chosen());
  const { engine } = join();
  const read = async (file: string) => (file === "shard-0.bin" ? gone : tiny.read(file));
  await expect(engine.loadFolder(1, "tiny", { read }, AUTO, () => {})).rejects.toMatchObject({
    code: "model-file",
    details: { reason: "it has changed" },
  });
});

test("of the models in a folder the one that lies directly in it is meant, and no other is guessed", async () => {
  const inner = chosen({ "shard-0.bin": "?" }, "models/tiny/old");
  expect((await load(folderOf([...inner, ...chosen()]))).loaded.info.name).toBe("tiny");
  const two = [...chosen({}, "models/a"), ...chosen({}, "models/b")];
  expect(() => folderOf(two)).toThrow(
    "model.json of models/a cannot be read (there is one in models/b too)",
  );
});

test("a file without end in place of model.json is told, and not read", async () => {
  const read = async () => new Blob([new Uint8Array(17 << 20)]);
  await expect(load({ name: "folder", read })).rejects.toThrow("it is larger than 16 MiB");
});
