import { afterEach, expect, test, vi } from "vitest";
import { fetchFile, fetchManifest, fetchShard } from "./download.js";
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
import { addressesBeside } from "./model-address.js";
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
    const urls = addressesBeside(shard.file, [MODEL_URL]);
    shards.push([...(await fetchShard(shard, urls, { signal, onBytes }))]);
  }
  return { log, counted: counts.reduce((sum, bytes) => sum + bytes), shards };
}

const good = { body: Uint8Array.of(1, 2, 3) };
const corrupt = { body: Uint8Array.of(1, 2, 4) };
const PAGE = "<!doctype html><title>Log in</title>";
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
  ["a page that is called one of its files", HtmlInsteadOfFileError, "model.json", { body: PAGE }],
  [
    "a page of a shard's length",
    HtmlInsteadOfFileError,
    "shard-0.bin",
    { body: "<p>", type: "text/html" },
  ],
  ["a long page, called a shard", HtmlInsteadOfFileError, "shard-1.bin", { body: PAGE }],
  ["a manifest cut short", ManifestError, "model.json", { body: '{"name":' }],
  ["a manifest without end", ManifestError, "model.json", { body: new Uint8Array(17 << 20) }],
])("%s has an error of its own", async (_, expected, file, answer) => {
  await expect(download({ ...fakeModel(), [file]: answer })).rejects.toBeInstanceOf(expected);
});

test("a server that calls every file a page is believed by the bytes", async () => {
  const files = fakeModel();
  for (const [name, file] of Object.entries(files)) files[name] = { ...file, type: "text/html" };
  expect((await download(files as Record<string, FakeAnswers>)).counted).toBe(5);
});

test.each([
  ["in front of it", [0xef, 0xbb, 0xbf], undefined],
  ["of UTF-16", [0xff, 0xfe], "UTF-16"],
  ["that is missing from UTF-16", [32, 0], "it has zero bytes, as UTF-16 does"],
])("a model.json with a byte order mark %s", async (_, mark, reason) => {
  const { body } = fakeModel()["model.json"] as { body: string };
  const text = new TextEncoder().encode(body);
  const marked = Uint8Array.of(...mark, ...text);
  const reading = download({ ...fakeModel(), "model.json": { body: marked } });
  if (reason === undefined) expect((await reading).counted).toBe(5);
  else await expect(reading).rejects.toThrow(reason);
});

test("a model.json in Latin-1 is told", async () => {
  const body = Uint8Array.of(...new TextEncoder().encode('{"name": "'), 0xe9, 34, 125);
  await expect(download({ ...fakeModel(), "model.json": { body } })).rejects.toThrow(
    "it is not written in UTF-8; save it as UTF-8",
  );
});

test.each([
  [new Uint8Array([0xef, 0xbb, 0xbf, ...new TextEncoder().encode("<!DOCTYPE html>")]), "x/y"],
  [new TextEncoder().encode("\n <html lang=en>"), "application/octet-stream"],
  [new Uint8Array(), "text/html"],
])("a web page in place of a picture is told, whatever its type", async (body, type) => {
  serve({ "photo.jpg": { body, type } });
  const { signal } = new AbortController();
  const fetching = fetchFile("https://models.test/photo.jpg", signal);
  await expect(fetching).rejects.toBeInstanceOf(HtmlInsteadOfFileError);
});

test.each(["text/html", "application/octet-stream"])("a picture called %s is one", async (type) => {
  serve({ "photo.jpg": { body: Uint8Array.of(0xff, 0xd8, 0xff), type } });
  const blob = await fetchFile("https://models.test/photo.jpg", new AbortController().signal);
  expect(blob.size).toBe(3);
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
