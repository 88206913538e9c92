import { afterEach, expect, test, vi } from "vitest";
import { fetchManifest, fetchShards } from "./download.js";
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

/** Downloads a whole model and tells what came, in order. */
async function download(files: Record<string, FakeAnswers>, controller = new AbortController()) {
  const log = serve(files);
  const { signal } = controller;
  const counts: number[] = [];
  const shards: number[][] = [];
  const onBytes = (_: string, bytes: number) => counts.push(bytes);
  const manifest = await fetchManifest(MODEL_URL, signal);
  for await (const { bytes } of fetchShards(manifest, MODEL_URL, { signal, onBytes })) {
    shards.push([...bytes]);
  }
  return { log, counts, shards };
}

const good = { body: Uint8Array.of(1, 2, 3) };
const corrupt = { body: Uint8Array.of(1, 2, 4) };

test("brings every shard, in order, and counts its bytes", async () => {
  const { counts, shards, log } = await download(fakeModel());
  expect(shards).toEqual([
    [1, 2, 3],
    [4, 5],
  ]);
  expect(counts.reduce((sum, bytes) => sum + bytes)).toBe(5);
  expect(log.map(({ url }) => url)).toEqual([
    MODEL_URL,
    "https://models.test/tiny/shard-0.bin",
    "https://models.test/tiny/shard-1.bin",
  ]);
});

test("fetches a damaged shard again, past every cache, and counts it once", async () => {
  const { log, counts, shards } = await download({
    ...fakeModel(),
    "shard-0.bin": [corrupt, good],
  });
  expect(shards[0]).toEqual([1, 2, 3]);
  expect(log.filter(({ url }) => url.endsWith("shard-0.bin")).map(({ cache }) => cache)).toEqual([
    "default",
    "reload",
  ]);
  expect(counts.reduce((sum, bytes) => sum + bytes)).toBe(5);
});

test.each<[string, unknown, string, FakeAnswers]>([
  ["a wrong hash", HashMismatchError, "shard-0.bin", corrupt],
  ["a short shard", ShardLengthError, "shard-1.bin", { body: Uint8Array.of(4) }],
  ["a long shard", ShardLengthError, "shard-1.bin", { body: Uint8Array.of(4, 5, 6) }],
  ["a missing shard", HttpStatusError, "shard-1.bin", { status: 404, body: "no" }],
  ["a start page", HtmlInsteadOfFileError, "shard-0.bin", { type: "text/html", body: "<html>" }],
  ["a cut connection", NetworkError, "shard-0.bin", { ...good, breakAfter: 2 }],
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

test("leaving early ends the fetch ahead", async () => {
  serve(fakeModel());
  const signals: AbortSignal[] = [];
  const fake = fetch;
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    if (init.signal) signals.push(init.signal);
    return fake(url, init);
  });
  const { signal } = new AbortController();
  const manifest = await fetchManifest(MODEL_URL, signal);
  for await (const _ of fetchShards(manifest, MODEL_URL, { signal, onBytes: () => {} })) break;
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true, true]);
});

test("a page without secure context is told so", async () => {
  vi.stubGlobal("crypto", {});
  await expect(download(fakeModel())).rejects.toBeInstanceOf(InsecureContextError);
});
