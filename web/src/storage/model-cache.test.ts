import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fetchManifest } from "../download.js";
import type { ReadManifest } from "../manifest.js";
import { FAKE_INFO, fakeModel, MODEL_URL, serve } from "../testing/fake-server.js";
import { FaultyStore } from "../testing/faulty-store.js";
import { cachedModels, ModelCache, removeModel } from "./model-cache.js";
import type { StoragePlace } from "./places.js";

let lasting: FaultyStore;
let memory: FaultyStore;
let warnings: string[];
let messages: string[];

beforeEach(() => {
  lasting = new FaultyStore();
  memory = new FaultyStore();
  warnings = [];
  messages = [];
});
afterEach(() => vi.unstubAllGlobals());

const refused: StoragePlace = {
  kind: "opfs",
  open: () => Promise.reject(new DOMException("not in this frame", "SecurityError")),
};
const places = (): StoragePlace[] => [
  { kind: "opfs", open: async () => lasting },
  { kind: "memory", open: async () => memory },
];

const open = (from = places(), url = MODEL_URL) =>
  ModelCache.open(url, from, (code, message) => {
    warnings.push(code);
    messages.push(message);
  });

async function published(shards?: Uint8Array<ArrayBuffer>[]): Promise<ReadManifest> {
  serve(fakeModel(shards));
  return fetchManifest(MODEL_URL, new AbortController().signal);
}

/** A cache with the fake model in it. */
async function filled(): Promise<ModelCache> {
  const cache = await open();
  const { manifest, json } = await published();
  expect((await cache.adopt(manifest, json)).size).toBe(0);
  for (const shard of manifest.shards) {
    await cache.write(shard, new Uint8Array(shard.bytes).fill(shard.bytes));
  }
  return cache;
}

test("keeps shards where they last, and tells of them by model", async () => {
  await filled();
  const { manifest, json } = await published();
  const cache = await open();
  expect([...(await cache.adopt(manifest, json))]).toEqual([
    ["shard-0.bin", 3],
    ["shard-1.bin", 2],
  ]);
  const [shard] = manifest.shards;
  expect(shard && (await cache.read(shard))).toEqual(Uint8Array.of(3, 3, 3));
  expect(await memory.folders()).toEqual([]);
  expect(await cachedModels(places())).toEqual([
    { ...FAKE_INFO, url: MODEL_URL, bytes: 5, totalBytes: 5 },
  ]);
  expect(warnings).toEqual([]);
});

test("a model that is removed is gone from every store, and no other with it", async () => {
  await filled();
  const other = await open(places(), "https://models.test/other/model.json");
  const { manifest, json } = await published();
  await other.adopt(manifest, json);
  await removeModel(MODEL_URL, places());
  expect(await cachedModels(places())).toEqual([
    { ...FAKE_INFO, url: "https://models.test/other/model.json", bytes: 0, totalBytes: 5 },
  ]);
});

test("shards of an earlier publication are forgotten, those that stayed are not", async () => {
  await filled();
  const { manifest, json } = await published([Uint8Array.of(1, 2, 3), Uint8Array.of(9, 9, 9, 9)]);
  expect([...(await (await open()).adopt(manifest, json)).keys()]).toEqual(["shard-0.bin"]);
  expect(await cachedModels(places())).toEqual([
    { ...FAKE_INFO, url: MODEL_URL, bytes: 3, totalBytes: 7 },
  ]);
});

test("the last model.json is there when its server is not", async () => {
  expect(await (await open()).manifest()).toBeUndefined();
  await filled();
  const { manifest, json } = await published();
  expect(await (await open()).manifest()).toEqual({ manifest, json });
});

test("a record that cannot be read says nothing", async () => {
  await filled();
  const [folder = ""] = await lasting.folders();
  await lasting.write(folder, "model.json", new Blob(["{"]));
  expect(await (await open()).manifest()).toBeUndefined();
  expect(await cachedModels(places())).toEqual([]);
});

test("a page that may keep nothing is told why, and has its memory", async () => {
  const cache = await open([refused, ...places().slice(1)]);
  expect(cache.storage).toBe("memory");
  expect(warnings).toEqual(["storage-refused"]);
  expect(messages[0]).toContain("not in this frame");
});

test("a store that is refused is no matter where the next one lasts too", async () => {
  const next: StoragePlace = { kind: "cache-storage", open: async () => lasting };
  const cache = await open([refused, next, ...places().slice(1)]);
  expect(cache.storage).toBe("cache-storage");
  expect(warnings).toEqual([]);
});

test.each([
  [1004, "memory", ["quota"]],
  [1005, "opfs", []],
])(
  "a disk with %i bytes of which 1000 are used takes the model in %s",
  async (quota, storage, expected) => {
    vi.stubGlobal("navigator", { storage: { estimate: async () => ({ quota, usage: 1000 }) } });
    const cache = await open();
    const { manifest, json } = await published();
    await cache.adopt(manifest, json);
    expect(cache.storage).toBe(storage);
    expect(warnings).toEqual(expected);
  },
);

test("what is kept already needs no room", async () => {
  await filled();
  vi.stubGlobal("navigator", { storage: { estimate: async () => ({ quota: 10, usage: 10 }) } });
  const cache = await open();
  const { manifest, json } = await published();
  await cache.adopt(manifest, json);
  expect(cache.storage).toBe("opfs");
});

/** A visit to the model at `url`: what it found kept, in bytes, after which all of it is. */
async function visited(url: string, published: ReadManifest): Promise<number> {
  const cache = await open(places(), url);
  const kept = await cache.adopt(published.manifest, published.json);
  for (const shard of published.manifest.shards) {
    if (!kept.has(shard.file)) await cache.write(shard, new Uint8Array(shard.bytes));
  }
  return [...kept.values()].reduce((sum, bytes) => sum + bytes, 0);
}

test("another token, and any other query, finds the shards that are kept", async () => {
  const model = await published();
  expect(await visited(`${MODEL_URL}?token=a`, model)).toBe(0);
  expect(await visited(`${MODEL_URL}?token=b`, model)).toBe(5);
  expect(await visited(MODEL_URL, model)).toBe(5);
  // One model, at the address of the last visit.
  expect(await cachedModels(places())).toMatchObject([{ url: MODEL_URL, bytes: 5 }]);
  expect(await visited(`${MODEL_URL}?v=2`, model)).toBe(5);
  expect(await (await open(places(), `${MODEL_URL}?token=c`)).manifest()).toEqual({
    manifest: model.manifest,
    json: model.json,
  });
});

test("two models of one path, told apart by a query, do not take each other's place", async () => {
  const [one, two] = ["?model=one", "?model=two"].map((query) => MODEL_URL + query);
  const first = await published();
  const second = await published([Uint8Array.of(1, 2, 3), Uint8Array.of(9, 9, 9, 9)]);
  expect(await visited(`${one}`, first)).toBe(0);
  // The shard that both have.
  expect(await visited(`${two}`, second)).toBe(3);
  expect(await visited(`${one}`, first)).toBe(5);
  expect(await visited(`${two}`, second)).toBe(7);

  const manifestAt = async (url: string) =>
    (await (await open(places(), url)).manifest())?.manifest;
  expect(await manifestAt(`${one}&token=x`)).toEqual(first.manifest);
  expect(await manifestAt(`${two}`)).toEqual(second.manifest);
  // Without a network none is given for another.
  expect(await manifestAt(`${MODEL_URL}?model=three`)).toBeUndefined();
  expect(await manifestAt(MODEL_URL)).toBeUndefined();

  await removeModel(`${one}`, places());
  expect(await visited(`${two}`, second)).toBe(7);
  await removeModel(`${two}`, places());
  expect(await lasting.folders()).toEqual([]);
});

test("a query that changes at every visit does not fill the disk", async () => {
  for (let visit = 0; visit < 10; visit++) {
    const model = await published([Uint8Array.of(1), Uint8Array.of(visit + 2)]);
    vi.setSystemTime(visit);
    await visited(`${MODEL_URL}?visit=${visit}`, model);
  }
  vi.useRealTimers();
  const [folder = ""] = await lasting.folders();
  // Four records, the shard that all have, and the other one of each of the four.
  expect(await lasting.files(folder)).toHaveLength(4 + 1 + 4);
  expect(await cachedModels(places())).toHaveLength(4);
});
