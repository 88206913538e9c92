import { afterEach, expect, test, vi } from "vitest";
import { whileDownloading, withoutDownload } from "./download-lock.js";
import { ModelInUseError } from "./errors.js";

const URL = "https://models.test/model.json";

afterEach(() => vi.unstubAllGlobals());

/** A browser whose locks are free, or not for whoever wants one alone. */
function withLocks(free: boolean): void {
  vi.stubGlobal("navigator", {
    locks: {
      query: async () => ({}),
      request: (_name: string, { mode }: LockOptions, work: () => Promise<unknown>) =>
        free || mode === "shared" ? work() : Promise.reject(new DOMException("", "TimeoutError")),
    },
  });
}

test("a removal waits for no download where there is none", async () => {
  withLocks(true);
  const work = vi.fn(async () => {});
  await withoutDownload(URL, work);
  expect(work).toHaveBeenCalledOnce();
});

test("a removal beside a download does nothing, and says why", async () => {
  withLocks(false);
  const work = vi.fn(async () => {});
  await expect(withoutDownload(URL, work)).rejects.toBeInstanceOf(ModelInUseError);
  expect(work).not.toHaveBeenCalled();
  expect(await whileDownloading(URL, async () => "loaded")).toBe("loaded");
});

test("what fails in a removal stays what it is", async () => {
  withLocks(true);
  const work = () => Promise.reject(new RangeError("x"));
  await expect(withoutDownload(URL, work)).rejects.toBeInstanceOf(RangeError);
});

test("where the browser refuses its locks nothing is kept that they could guard", async () => {
  const refuse = () => Promise.reject(new DOMException("", "SecurityError"));
  vi.stubGlobal("navigator", { locks: { query: refuse, request: refuse } });
  expect(await whileDownloading(URL, async () => "loaded")).toBe("loaded");
  const work = vi.fn(async () => {});
  await withoutDownload(URL, work);
  expect(work).toHaveBeenCalledOnce();
});
