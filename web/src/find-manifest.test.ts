import { afterEach, expect, test, vi } from "vitest";
import { HttpStatusError, NetworkError, UnsupportedVersionError } from "./errors.js";
import { findManifest } from "./find-manifest.js";
import { MemoryStore } from "./storage/memory.js";
import { ModelCache } from "./storage/model-cache.js";
import { type FakeAnswers, fakeModel, MODEL_URL, serve } from "./testing/fake-server.js";

afterEach(() => vi.unstubAllGlobals());

const { signal } = new AbortController();

/** Finds the manifest at a second visit, at which the server answers otherwise, and the warnings. */
async function secondVisit(answer: FakeAnswers | undefined, url = MODEL_URL, first = MODEL_URL) {
  const store = new MemoryStore();
  const places = [{ kind: "memory", open: async () => store }] as const;
  const warnings: string[] = [];
  const warn = (code: string, message: string) => warnings.push(`${code}: ${message}`);
  serve(fakeModel());
  const before = await ModelCache.open(first, places, warn);
  const { manifest, json } = await findManifest(first, before, signal, warn);
  await before.adopt(manifest, json);
  serve(answer === undefined ? {} : { "model.json": answer });
  const found = await findManifest(url, await ModelCache.open(url, places, warn), signal, warn);
  return { found, kept: manifest, warnings };
}

test.each<[string, FakeAnswers | undefined, string]>([
  ["is out of reach", undefined, "cannot be reached"],
  ["is in trouble", { status: 503, body: "" }, "cannot be had (the server answered 503)"],
  ["asks for a login", { status: 401, body: "" }, "cannot be had (the server answered 401)"],
  [
    "asks for a login by a page",
    { type: "text/html", body: "<!doctype html><form>" },
    "cannot be had (a web page came in its place)",
  ],
  [
    "lies behind a page that calls itself JSON",
    { type: "application/json", body: "<html><head></head></html>" },
    "cannot be had (a web page came in its place)",
  ],
  ["answers with nothing", { body: "" }, "is none just now (it is not JSON)"],
  [
    "answers with other JSON",
    { body: '{"error": "log in"}' },
    "is none just now (format_version is not a whole number)",
  ],
])("a server that %s leaves the model of the last visit, and a warning", async (_, answer, why) => {
  const { found, kept, warnings } = await secondVisit(answer);
  expect(found.manifest).toEqual(kept);
  expect(found.addresses).toEqual([MODEL_URL]);
  expect(warnings).toEqual([`offline: ${MODEL_URL} ${why}; the model of the last visit is used.`]);
});

test.each<[FakeAnswers, unknown]>([
  [{ status: 404, body: "" }, HttpStatusError],
  [{ status: 410, body: "" }, HttpStatusError],
  [{ body: '{"format_version": 2}' }, UnsupportedVersionError],
])("an answer that holds is told: %j", async (answer, expected) => {
  await expect(secondVisit(answer)).rejects.toBeInstanceOf(expected);
});

test("the model of the last visit is the one that was asked for", async () => {
  const [one, two] = [`${MODEL_URL}?model=one&token=a`, `${MODEL_URL}?model=two&token=a`];
  await expect(secondVisit(undefined, two, one)).rejects.toBeInstanceOf(NetworkError);
  const { warnings } = await secondVisit(undefined, one.replace("token=a", "token=b"), one);
  expect(warnings).toEqual([expect.stringContaining("the model of the last visit is used")]);
});

test("shards are asked for where a manifest was led to, then where it was asked for", async () => {
  const asked = `${MODEL_URL}?token=a`;
  const ledTo = "https://cdn.test/v3/model.json?sig=b";
  const files = fakeModel();
  serve({ ...files, "model.json": { ...(files["model.json"] as { body: string }), ledTo } });
  const cache = await ModelCache.open(asked, [], () => {});
  const { addresses } = await findManifest(asked, cache, signal, () => {});
  expect(addresses).toEqual([ledTo, asked]);
});
