/** The page's side and the Worker's, joined by a real channel. */

import { proxy } from "comlink";
import { expect, test } from "vitest";
import {
  AbortedError,
  DisposedError,
  HttpStatusError,
  ImageError,
  InternalError,
  ModelTooLargeError,
  StartError,
} from "./errors.js";
import { Session } from "./session.js";
import { MemoryStore } from "./storage/memory.js";
import { FAKE_INFO, fakeModel, MODEL_URL, serve } from "./testing/fake-server.js";
import { hostOf, join, load, texts } from "./testing/fake-worker.js";

const photo = Uint8Array.of(7);

test("a model is loaded: every byte once, every event before the end", async () => {
  const { wasm, connection } = join();
  const { model, events } = await load(connection);
  expect(wasm.pushed).toEqual([1, 2, 3, 4, 5]);
  expect(model.info).toEqual({ ...FAKE_INFO, totalBytes: 5 });
  expect(model.device.kind).toBe("webgpu");
  // Node has no storage for files, as a page in a sandboxed frame.
  expect(events.slice(0, 5)).toMatchObject([
    { status: "warning", code: "storage-refused" },
    { status: "initiate" },
    { status: "cache", storage: "memory", cachedBytes: 0 },
    { status: "module", url: wasm.url },
    { status: "device" },
  ]);
  expect(events.filter(({ status }) => status === "done")).toHaveLength(2);
  expect(events.filter(({ status }) => status === "progress").at(-1)).toMatchObject({
    loaded: 5,
    total: 5,
  });
  expect(events.at(-1)?.status).toBe("ready");
  expect([...wasm.alive]).toEqual([expect.stringContaining("model")]);
});

test("the page's memory serves the next model, and the one after when the server is gone", async () => {
  const memory = new MemoryStore();
  await load(join().connection, "auto", fakeModel(), memory);
  const again = join();
  const second = await load(again.connection, "auto", fakeModel(), memory);
  expect(second.requests).toEqual([MODEL_URL]);
  expect(again.wasm.pushed).toEqual([1, 2, 3, 4, 5]);
  expect(second.events).toContainEqual({ status: "cache", storage: "memory", cachedBytes: 5 });

  const offline = join();
  const third = await load(offline.connection, "auto", {}, memory);
  expect(offline.wasm.pushed).toEqual([1, 2, 3, 4, 5]);
  expect(third.events).toContainEqual(expect.objectContaining({ code: "offline" }));
});

test("a download that fails leaves nothing behind", async () => {
  const { wasm, connection } = join();
  const files = { ...fakeModel(), "shard-1.bin": { status: 404, body: "" } };
  await expect(load(connection, "auto", files)).rejects.toBeInstanceOf(HttpStatusError);
  expect(wasm.alive.size).toBe(0);
});

test("a module that cannot be loaded is told as such", async () => {
  const { connection } = join(() => Promise.reject(new TypeError("404 for flamingo_bg.wasm")));
  const error = await load(connection).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(StartError);
  expect((error as StartError).message).toContain("flamingo_bg.wasm");
});

test("a model that fits no tab is refused by its model.json alone", async () => {
  const { wasm, connection } = join();
  const files = fakeModel();
  const { body } = files["model.json"] as { body: string };
  const shards = Array.from({ length: 300 }, (_, i) => ({
    file: `shard-${i}.bin`,
    bytes: 1 << 24,
    sha256: "0".repeat(64),
  }));
  const large = {
    ...JSON.parse(body),
    shards,
    total_bytes: shards.length * 2 ** 24,
    estimated_memory_bytes: 5e9,
  };
  const log = serve({ ...files, "model.json": { body: JSON.stringify(large) } });
  const loading = connection.call((remote, task) =>
    remote.load(
      task,
      MODEL_URL,
      { preference: "cpu", int8Activations: false },
      proxy(new MemoryStore()),
      proxy(() => {}),
    ),
  );
  await expect(loading).rejects.toBeInstanceOf(ModelTooLargeError);
  expect(log.map(({ url }) => url)).toEqual([MODEL_URL]);
  expect(wasm.alive.size).toBe(0);
});

test("a caption streams, and ends with the whole", async () => {
  const { connection } = join();
  await load(connection);
  const session = new Session(hostOf(connection), 1, {
    shots: [{ image: Uint8Array.of(1), text: "cat" }],
  });
  const stream = session.caption(photo);
  expect(await texts(stream)).toEqual(["1=cat", "7", "a", "dog"]);
  expect(await stream.result).toMatchObject({
    stopReason: "end_of_chunk",
    text: "1=cat | 7 | a | dog",
  });
  expect(photo).toEqual(Uint8Array.of(7));
});

test("a photo that cannot be decoded is an image error, and the model goes on", async () => {
  const { wasm, connection } = join();
  await load(connection);
  const session = new Session(hostOf(connection), 1, {});
  wasm.imageFault = { code: "image", message: "the file is empty" };
  const error = await session.caption(photo).result.catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ImageError);
  expect((error as ImageError).message).toBe("The file is empty.");
  wasm.imageFault = undefined;
  expect(await texts(session.caption(photo))).toEqual(["7", "a", "dog"]);
});

test("an example that cannot be decoded fails the caption that needs it", async () => {
  const { wasm, connection } = join();
  await load(connection);
  wasm.imageFault = { code: "image", message: "the file is empty" };
  const session = new Session(hostOf(connection), 1, { shots: [{ image: photo, text: "" }] });
  await expect(session.caption(photo).result).rejects.toBeInstanceOf(ImageError);
});

test("an abort ends the loop at once and the Worker soon after", async () => {
  const { wasm, connection } = join();
  await load(connection);
  wasm.words = Array.from({ length: 10_000 }, (_, i) => `${i}`);
  const session = new Session(hostOf(connection), 1, {});
  const controller = new AbortController();
  let seen = 0;
  await expect(async () => {
    for await (const _ of session.caption(photo, {
      signal: controller.signal,
      maxNewTokens: 10_000,
    })) {
      seen += 1;
      if (seen === 3) controller.abort();
    }
  }).rejects.toBeInstanceOf(AbortedError);
  expect(seen).toBeLessThan(20);
  // The next caption gets its turn only when the stopped one has given up its own.
  wasm.words = ["b"];
  expect(await texts(session.caption(photo))).toEqual(["7", "b"]);
  expect([...wasm.alive].filter((name) => name.startsWith("media"))).toEqual([]);
});

test("a signal that has fired stops a caption before it begins", async () => {
  const { connection } = join();
  await load(connection);
  const session = new Session(hostOf(connection), 1, {});
  const caption = session.caption(photo, { signal: AbortSignal.abort() });
  await expect(caption.result).rejects.toBeInstanceOf(AbortedError);
});

test("captions asked for together are written one after another", async () => {
  const { connection } = join();
  await load(connection);
  const sessions = [new Session(hostOf(connection), 1, {}), new Session(hostOf(connection), 2, {})];
  const log: number[] = [];
  await Promise.all(
    sessions.map(async (session, i) => {
      for await (const _ of session.caption(photo)) log.push(i);
    }),
  );
  expect(log).toEqual([0, 0, 0, 1, 1, 1]);
});

test("a session that asks for much does not keep another waiting", async () => {
  const { connection } = join();
  await load(connection);
  const busy = new Session(hostOf(connection), 1, {});
  const other = new Session(hostOf(connection), 2, {});
  await Promise.all([busy.opened, other.opened]);
  const log: string[] = [];
  const captions = [1, 2, 3, 4].map((i) => busy.caption(photo).result.then(() => log.push(`${i}`)));
  await captions[0];
  const answer = other.caption(photo).result.then(() => log.push("other"));
  await Promise.all([...captions, answer]);
  // The second was under way.
  expect(log).toEqual(["1", "2", "other", "3", "4"]);
});

test("each token has its text, id, log-probability and time", async () => {
  const { connection } = join();
  await load(connection);
  const session = new Session(hostOf(connection), 1, {});
  const times: number[] = [];
  for await (const piece of session.caption(photo)) {
    expect(piece).toEqual({
      id: expect.any(Number),
      text: expect.any(String),
      logProbability: -1,
      elapsedMs: expect.any(Number),
      alternatives: [],
    });
    times.push(piece.elapsedMs);
  }
  expect(times).toHaveLength(3);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

test("a disposed session frees its examples and takes no more photos", async () => {
  const { wasm, connection } = join();
  await load(connection);
  const session = new Session(hostOf(connection), 1, { shots: [{ image: photo, text: "" }] });
  await session.opened;
  session.dispose();
  await expect(session.caption(photo).result).rejects.toBeInstanceOf(DisposedError);
  expect([...wasm.alive]).toEqual([expect.stringContaining("model")]);
});

test("a trap in the module fails the call that waits and all that follow", async () => {
  const { wasm, engine, connection } = join();
  await load(connection);
  const session = new Session(hostOf(connection), 1, {});
  wasm.words = Array.from({ length: 100 }, () => "x");
  await expect(async () => {
    for await (const _ of session.caption(photo, { maxNewTokens: 1000 })) {
      engine.crash("index out of bounds");
    }
  }).rejects.toBeInstanceOf(InternalError);
  await expect(session.caption(photo).result).rejects.toThrow("index out of bounds");
});

test("closing ends what waits, and what comes later", async () => {
  const { connection } = join();
  await load(connection);
  const session = new Session(hostOf(connection), 1, {});
  const caption = session.caption(photo);
  connection.close("model");
  await expect(caption.result).rejects.toBeInstanceOf(DisposedError);
  await expect(session.caption(photo).result).rejects.toBeInstanceOf(DisposedError);
  await expect(connection.call((remote, task) => remote.memory(task))).rejects.toBeInstanceOf(
    DisposedError,
  );
  connection.close("model");
});

test("memory is that of the module's heap and of the model", async () => {
  const { connection } = join();
  await load(connection);
  expect(await connection.call((remote, task) => remote.memory(task))).toEqual({
    heapBytes: 65536,
    weightBytes: 5,
    latentBytes: 0,
    gpuBytesInUse: 0,
    gpuBytesReserved: 0,
  });
});
