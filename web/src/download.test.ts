import { afterEach, expect, test, vi } from "vitest";
import { fetchManifest, fetchShard } from "./download.js";
import {
  AbortedError,
  HashMismatchError,
  HtmlInsteadOfFileError,
  HttpStatusError,
  InsecureContextError,
  ManifestError,
  NetworkError,
  ShardLengthError,
} from "./errors.js";
import { type FakeAnswers, fakeModel, MODEL_URL, serve } from "./testing/fake-server.js";

afterEach(() => vi.unstubAllGlobals());

/** Fetches every shard of a model, one after another. */
async function download(files: Record<string, FakeAnswers>, controller = new AbortController()) {
  const log = serve(files);
  const { signal } = controller;
  const counts: number[] = [];
  const shards: number[][] = [];
  const onBytes = (bytes: number) => counts.push(bytes);
  const { manifest } = await fetchManifest(MODEL_URL, signal);
  for (const shard of manifest.shards) {
    const url = new URL(shard.file, MODEL_URL).href;
    shards.push([...(await fetchShard(shard, url, { signal, onBytes }))]);
  }
  return { log, counted: counts.reduce((sum, bytes) => sum + bytes), shards };
}

const good = { body: Uint8Array.of(1, 2, 3) };
const corrupt = { body: Uint8Array.of(1, 2, 4) };
const cut = { ...good, breakAfter: 2 };

test("brings every shard and counts its bytes", async () => {
  const { counted, shards, log } = await download(fakeModel());
  expect(shards).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  expect(counted).toBe(5);
  expect(log.map(({ url }) => url)).toEqual([
    MODEL_URL,
    "https://models.test/tiny/shard-0.bin",
    "https://models.test/tiny/shard-1.bin",
  ]);
});

test.each<[string, FakeAnswers, RequestCache]>([
  ["damaged, past every cache", [corrupt, good], "reload"],
  ["cut off on its way, as before", [cut, good], "default"],
  // Chunks that nobody has read yet go with the connection.
  ["cut off before a byte of it was read", [{ ...good, breakAfter: 0 }, good], "default"],
])("a shard is asked for again where it is %s, and counted once", async (_, answers, cache) => {
  const { log, counted, shards } = await download({ ...fakeModel(), "shard-0.bin": answers });
  expect(shards[0]).toEqual([1, 2, 3]);
  const requests = log.filter(({ url }) => url.endsWith("shard-0.bin"));
  expect(requests.map(({ cache }) => cache)).toEqual(["default", cache]);
  expect(counted).toBe(5);
});

test.each<[string, unknown, string, FakeAnswers]>([
  ["a wrong hash", HashMismatchError, "shard-0.bin", corrupt],
  ["a short shard", ShardLengthError, "shard-1.bin", { body: Uint8Array.of(4) }],
  ["a long shard", ShardLengthError, "shard-1.bin", { body: Uint8Array.of(4, 5, 6) }],
  ["a missing shard", HttpStatusError, "shard-1.bin", { status: 404, body: "no" }],
  ["a start page", HtmlInsteadOfFileError, "shard-0.bin", { type: "text/html", body: "<html>" }],
  ["a connection cut twice", NetworkError, "shard-0.bin", cut],
  ["a server that fails", HttpStatusError, "model.json", { status: 500, body: "" }],
  ["a page for a manifest", HtmlInsteadOfFileError, "model.json", { type: "text/html", body: "" }],
  ["a manifest cut short", ManifestError, "model.json", { body: '{"name":' }],
])("%s has an error of its own", async (_, expected, file, answer) => {
  await expect(download({ ...fakeModel(), [file]: answer })).rejects.toBeInstanceOf(expected);
});

test("an unreachable server is a network error that keeps its cause", async () => {
  const error = await download({}).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(NetworkError);
  expect((error as NetworkError).cause).toBeInstanceOf(TypeError);
});

test("an abort is told from a failure", async () => {
  const controller = new AbortController();
  controller.abort();
  await expect(download(fakeModel(), controller)).rejects.toBeInstanceOf(AbortedError);
});

test("a page without secure context is told so", async () => {
  vi.stubGlobal("crypto", {});
  await expect(download(fakeModel())).rejects.toBeInstanceOf(InsecureContextError);
});
