/** A server made of a map, in place of `fetch`. */

import { createHash } from "node:crypto";
import { vi } from "vitest";

/** What the server answers for one address. */
export interface FakeFile {
  readonly status?: number;
  readonly type?: string;
  readonly body: Uint8Array<ArrayBuffer> | string;
  /** The connection breaks after this many bytes. */
  readonly breakAfter?: number;
  /** The address that the request was led to. */
  readonly ledTo?: string;
}

/** One answer, or one for each request in turn; the last stays. */
export type FakeAnswers = FakeFile | FakeFile[];

/** Where the fake model lies. */
export const MODEL_URL = "https://models.test/tiny/model.json";

/** What its `model.json` says of it to people, but for its length. */
export const FAKE_INFO = {
  name: "tiny",
  licence: "MIT",
  memoryBytes: 100,
  heapBytes: { cpu: 1100 + 2 ** 27, webgpu: 1000 + 2 ** 27 },
};

/** Files of a model, of two shards if not said otherwise, with a `model.json` that fits. */
export function fakeModel(
  shards = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5)],
): Record<string, FakeAnswers> {
  const manifest = {
    format_version: 1,
    name: "tiny",
    licence: "MIT",
    total_bytes: shards.reduce((sum, { length }) => sum + length, 0),
    shards: shards.map((bytes, i) => ({
      file: `shard-${i}.bin`,
      bytes: bytes.length,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    })),
    estimated_memory_bytes: 100,
    required_gpu_limits: { max_buffer_size: 1000, max_storage_buffer_binding_size: 1000 },
  };
  const files: Record<string, FakeAnswers> = { "model.json": { body: JSON.stringify(manifest) } };
  for (const [i, body] of shards.entries()) files[`shard-${i}.bin`] = { body };
  return files;
}

/** Puts the files in place of the network, each beside {@link MODEL_URL}. Returns the log of requests. */
export function serve(files: Record<string, FakeAnswers>): { url: string; cache?: RequestCache }[] {
  const log: { url: string; cache?: RequestCache }[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    if (init.signal?.aborted) throw init.signal.reason;
    const name = url.replace(/\?.*$/, "").replace(/^.*\//, "");
    log.push(init.cache === undefined ? { url } : { url, cache: init.cache });
    const answers = files[name];
    const answer = Array.isArray(answers)
      ? answers.length > 1
        ? answers.shift()
        : answers[0]
      : answers;
    if (answer === undefined) throw new TypeError("Failed to fetch");
    const response = new Response(bodyOf(answer), {
      status: answer.status ?? 200,
      headers: { "content-type": answer.type ?? "application/octet-stream" },
    });
    return Object.defineProperty(response, "url", { value: answer.ledTo ?? url });
  });
  return log;
}

function bodyOf({ body, breakAfter }: FakeFile): ReadableStream<Uint8Array> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.slice(0, breakAfter));
      if (breakAfter === undefined) controller.close();
    },
    pull(controller) {
      controller.error(new TypeError("network error"));
    },
  });
}
