import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { KeptModules } from "./kept-modules.js";

const OLD = [
  "https://page.test/assets/threads-0-_old00.wasm",
  "https://page.test/assets/webgpu-00000old.wasm",
];
const NEW = [
  "https://page.test/assets/threads-11111new.wasm",
  "https://page.test/assets/webgpu-11111new.wasm",
];
const [OLD_THREADS = "", OLD_WEBGPU = ""] = OLD;
const [NEW_THREADS = ""] = NEW;

let files: Map<string, Response>;
let fetched: string[];

const cache = {
  match: async (url: RequestInfo | URL) => files.get(String(url))?.clone(),
  put: async (url: RequestInfo | URL, response: Response) => void files.set(String(url), response),
  keys: async () => [...files.keys()].map((url) => new Request(url)),
  delete: async (url: RequestInfo | URL) => files.delete(String(url)),
};

/** Answers with a module, once it is kept. */
async function answer(kept: KeptModules, url: string): Promise<Response> {
  const keeping: Promise<void>[] = [];
  const response = await kept.answer(url, (kept) => keeping.push(kept));
  await Promise.all(keeping);
  return response;
}

const modules = (urls: readonly string[]) => new KeptModules(urls, async () => cache);

let status: number;

beforeEach(() => {
  files = new Map();
  fetched = [];
  status = 200;
  vi.stubGlobal("fetch", async (url: string) => {
    fetched.push(url);
    return new Response(`content of ${url}`, { status });
  });
});
afterEach(() => vi.unstubAllGlobals());

test("a module is fetched once, at its first use, and no other with it", async () => {
  const kept = modules(OLD);
  for (let visit = 0; visit < 2; visit++) {
    expect(await (await answer(kept, OLD_THREADS)).text()).toBe(`content of ${OLD_THREADS}`);
  }
  expect(fetched).toEqual([OLD_THREADS]);
});

test("a page has kept what it used, and nothing that is no module", async () => {
  await modules(OLD).keep([OLD_WEBGPU, "https://page.test/index.html"]);
  expect([...files.keys()]).toEqual([OLD_WEBGPU]);
});

test("a failure is answered and not kept", async () => {
  status = 404;
  expect((await answer(modules(OLD), OLD_THREADS)).status).toBe(404);
  expect(files.size).toBe(0);
});

test("a web page in place of a module is not kept, by no way", async () => {
  vi.stubGlobal("fetch", async () => {
    return new Response("<html>Log in</html>", { headers: { "content-type": "text/html; x" } });
  });
  await answer(modules(OLD), OLD_THREADS);
  await modules(OLD).keep([OLD_WEBGPU]);
  expect(files.size).toBe(0);
});

test("a disk that is full costs what is kept only", async () => {
  const full = {
    ...cache,
    put: () => Promise.reject(new DOMException("full", "QuotaExceededError")),
  };
  const kept = new KeptModules(OLD, async () => full);
  expect(await (await answer(kept, OLD_THREADS)).text()).toBe(`content of ${OLD_THREADS}`);
  await kept.keep([OLD_THREADS]);
});

test("a new version fetches the successors of what is kept, then forgets the old", async () => {
  await modules(OLD).keep([OLD_THREADS]);
  const next = modules(NEW);
  await next.succeed();
  expect([...files.keys()]).toEqual([OLD_THREADS, NEW_THREADS]);
  await next.forgetOthers();
  expect([...files.keys()]).toEqual([NEW_THREADS]);
});

test("a new version whose modules cannot be had does not come", async () => {
  await modules(OLD).keep([OLD_THREADS]);
  status = 503;
  await expect(modules(NEW).succeed()).rejects.toThrow("503");
});
