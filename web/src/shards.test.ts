import { afterEach, expect, test, vi } from "vitest";
import { fetchManifest } from "./download.js";
import { AbortedError, HttpStatusError, NetworkError } from "./errors.js";
import { Progress } from "./progress.js";
import { loadShards } from "./shards.js";
import { ModelCache } from "./storage/model-cache.js";
import type { StoragePlace } from "./storage/places.js";
import { type FakeAnswers, fakeModel, MODEL_URL, serve } from "./testing/fake-server.js";
import { FaultyStore } from "./testing/faulty-store.js";

afterEach(() => vi.unstubAllGlobals());

/** Ten shards of one to ten bytes. */
const SHARDS = Array.from({ length: 10 }, (_, i) => new Uint8Array(i + 1).fill(i));
const BYTES = SHARDS.flatMap((shard) => [...shard]);
const shardName = (url: string) => url.slice(url.lastIndexOf("/") + 1);

interface Visit {
  readonly bytes: readonly number[];
  /** Shards that were asked for. */
  readonly requests: readonly string[];
  readonly warnings: readonly string[];
  readonly loaded: number;
  readonly error: unknown;
}

/** Loads the model as one visit of a page does, with what `stores` keep from the visits before. */
async function visit(
  stores: readonly FaultyStore[],
  files: Record<string, FakeAnswers> = fakeModel(SHARDS),
): Promise<Visit> {
  const log = serve(files);
  const { signal } = new AbortController();
  const places: StoragePlace[] = stores.map((store, i) => ({
    kind: i === stores.length - 1 ? "memory" : "opfs",
    open: async () => store,
  }));
  const warnings: string[] = [];
  const cache = await ModelCache.open(MODEL_URL, places, (code) => warnings.push(code));
  const { manifest, json } = await fetchManifest(MODEL_URL, signal);
  const kept = await cache.adopt(manifest, json);
  let loaded = 0;
  const progress = new Progress(manifest.totalBytes, kept, (report) => {
    loaded = report.loaded;
  });
  const bytes: number[] = [];
  let error: unknown;
  try {
    for await (const shard of loadShards(manifest, [MODEL_URL], { cache, progress, signal })) {
      bytes.push(...shard.bytes);
    }
  } catch (thrown) {
    error = thrown;
  }
  const requests = log.map(({ url }) => shardName(url)).filter((name) => name !== "model.json");
  return { bytes, requests, warnings, loaded, error };
}

test("shards come in order, each fetched once, and the second visit fetches none", async () => {
  const store = new FaultyStore();
  const first = await visit([store]);
  expect(first).toMatchObject({ bytes: BYTES, warnings: [], loaded: BYTES.length });
  expect(first.requests).toHaveLength(SHARDS.length);
  expect(await visit([store])).toMatchObject({
    bytes: BYTES,
    requests: [],
    warnings: [],
    loaded: BYTES.length,
  });
});

test("four are on their way at once, and no more", async () => {
  let open = 0;
  let most = 0;
  serve(fakeModel(SHARDS));
  const fake = fetch;
  const watched = async (url: string, init: RequestInit) => {
    open += 1;
    most = Math.max(most, open);
    await new Promise((resolve) => setTimeout(resolve, 5));
    open -= 1;
    return fake(url, init);
  };
  const { signal } = new AbortController();
  const { manifest, json } = await fetchManifest(MODEL_URL, signal);
  vi.stubGlobal("fetch", watched);
  const place: StoragePlace = { kind: "memory", open: async () => new FaultyStore() };
  const cache = await ModelCache.open(MODEL_URL, [place], () => {});
  const progress = new Progress(0, await cache.adopt(manifest, json), () => {});
  let count = 0;
  for await (const _ of loadShards(manifest, [MODEL_URL], { cache, progress, signal })) count += 1;
  expect(count).toBe(SHARDS.length);
  expect(most).toBe(4);
});

test.each<[string, FakeAnswers, unknown]>([
  ["a cut connection", { body: SHARDS[6] ?? "", breakAfter: 2 }, NetworkError],
  ["a missing shard", { status: 404, body: "" }, HttpStatusError],
])("after %s the next visit goes on behind the last whole shard", async (_, answer, expected) => {
  const store = new FaultyStore();
  const failed = await visit([store], { ...fakeModel(SHARDS), "shard-6.bin": answer });
  expect(failed.error).toBeInstanceOf(expected);
  const { bytes, requests } = await visit([store]);
  expect(bytes).toEqual(BYTES);
  expect(requests).toContain("shard-6.bin");
  for (const early of ["shard-0.bin", "shard-3.bin", "shard-5.bin"]) {
    expect(requests).not.toContain(early);
  }
});

test.each<[string, Uint8Array<ArrayBuffer>, string[]]>([
  ["with a wrong byte", new Uint8Array(5), ["damaged-cache"]],
  // Its length shows that before anything is read.
  ["cut short", new Uint8Array(3).fill(4), []],
])("a shard that is kept %s is fetched again, alone", async (_, damaged, warnings) => {
  const store = new FaultyStore();
  await visit([store]);
  await store.damage(5, damaged);
  const healing = await visit([store]);
  expect(healing).toMatchObject({ bytes: BYTES, requests: ["shard-4.bin"], warnings });
  expect(healing.loaded).toBe(BYTES.length);
  expect(await visit([store])).toMatchObject({ bytes: BYTES, requests: [], warnings: [] });
});

test("where the quota is reached the rest goes to the next store, with one warning", async () => {
  const [lasting, memory] = [new FaultyStore(), new FaultyStore()];
  lasting.room = 2000;
  const large = SHARDS.map((_, i) => new Uint8Array(300 + i).fill(i));
  const first = await visit([lasting, memory], fakeModel(large));
  expect(first.error).toBeUndefined();
  expect(first.warnings).toEqual(["quota"]);
  expect(await lasting.folders()).toHaveLength(1);
  expect(await visit([lasting, memory], fakeModel(large))).toMatchObject({ requests: [] });
});

test("a store that fails in the middle costs nothing but itself", async () => {
  const [lasting, memory] = [new FaultyStore(), new FaultyStore()];
  lasting.fault = new DOMException("gone", "InvalidStateError");
  const first = await visit([lasting, memory]);
  expect(first).toMatchObject({ bytes: BYTES, warnings: ["storage-failed"] });
  expect(await visit([lasting, memory])).toMatchObject({ bytes: BYTES, requests: [] });
});

test("where nothing can be kept the model still loads", async () => {
  const memory = new FaultyStore();
  memory.room = 0;
  expect(await visit([memory])).toMatchObject({ bytes: BYTES, warnings: ["quota"] });
});

test("leaving early ends what is on its way", async () => {
  serve(fakeModel(SHARDS));
  const signals: AbortSignal[] = [];
  const fake = fetch;
  vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
    if (init.signal) signals.push(init.signal);
    return fake(url, init);
  });
  const { signal } = new AbortController();
  const place: StoragePlace = { kind: "memory", open: async () => new FaultyStore() };
  const cache = await ModelCache.open(MODEL_URL, [place], () => {});
  const { manifest, json } = await fetchManifest(MODEL_URL, signal);
  const progress = new Progress(0, await cache.adopt(manifest, json), () => {});
  for await (const _ of loadShards(manifest, [MODEL_URL], { cache, progress, signal })) break;
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, true, true, true, true]);
});

test("a stopped download keeps what is whole and asks for no more", async () => {
  const store = new FaultyStore();
  const log = serve(fakeModel(SHARDS));
  const controller = new AbortController();
  const { signal } = controller;
  const place: StoragePlace = { kind: "opfs", open: async () => store };
  const cache = await ModelCache.open(MODEL_URL, [place], () => {});
  const { manifest, json } = await fetchManifest(MODEL_URL, signal);
  const progress = new Progress(0, await cache.adopt(manifest, json), () => {});
  const stopped = (async () => {
    for await (const { file } of loadShards(manifest, [MODEL_URL], { cache, progress, signal })) {
      if (file === "shard-2.bin") controller.abort();
    }
  })();
  await expect(stopped).rejects.toBeInstanceOf(AbortedError);
  expect(log.map(({ url }) => shardName(url))).not.toContain("shard-9.bin");
  const { requests } = await visit([store]);
  for (const whole of ["shard-0.bin", "shard-1.bin", "shard-2.bin"]) {
    expect(requests).not.toContain(whole);
  }
});
