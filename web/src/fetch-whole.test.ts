import { afterEach, expect, test, vi } from "vitest";
import { AbortedError, VideoError } from "./errors.js";
import { fetchWhole } from "./fetch-whole.js";

afterEach(() => vi.unstubAllGlobals());

const URL = "https://videos.test/clip.mp4";

/** A server of a file of so many bytes; what was asked of it, and whether it was stopped. */
function serveVideo(bytes: number, status = 200) {
  const part = new Uint8Array(Math.min(bytes, 1 << 22));
  const log = { inits: [] as RequestInit[], cancelled: false };
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    log.inits.push(init);
    init.signal?.throwIfAborted();
    let left = bytes;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left <= 0) return controller.close();
        controller.enqueue(part.subarray(0, left));
        left -= part.length;
      },
      cancel() {
        log.cancelled = true;
      },
    });
    return new Response(body, { status });
  });
  return log;
}

test("a video is fetched as a whole, as its element would", async () => {
  const { inits } = serveVideo(5);
  expect((await fetchWhole(URL, "include")).size).toBe(5);
  expect(inits).toEqual([{ credentials: "include" }]);
});

test("one without end is left when it is too large", async () => {
  const log = serveVideo(Number.POSITIVE_INFINITY);
  const fetching = fetchWhole(URL, "same-origin");
  await expect(fetching).rejects.toBeInstanceOf(VideoError);
  await expect(fetching).rejects.toThrow(
    "One cannot seek in the video: its server gives no parts of it (HTTP ranges), and it is larger than 256 MB; choose its file from the disk.",
  );
  expect(log.cancelled).toBe(true);
});

test("one that cannot be had is told with its reason, and an abort as one", async () => {
  serveVideo(5, 503);
  await expect(fetchWhole(URL, "same-origin")).rejects.toThrow("the server answered 503");
  const aborted = fetchWhole(URL, "same-origin", AbortSignal.abort());
  await expect(aborted).rejects.toBeInstanceOf(AbortedError);
});
