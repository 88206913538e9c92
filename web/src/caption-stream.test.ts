import { expect, test } from "vitest";
import { CaptionStream } from "./caption-stream.js";
import type { Caption, TokenPiece } from "./types.js";

const CAPTION: Caption = {
  text: "a dog",
  tokenIds: [1, 2],
  stopReason: "end_of_chunk",
  reusedTokens: 0,
  timings: { encodeMs: 0, prefillMs: 0, firstTokenMs: 0, decodeMsPerToken: 0 },
};

const piece = (text: string): TokenPiece => ({
  id: 0,
  text,
  logProbability: 0,
  elapsedMs: 0,
  alternatives: [],
});
const turn = () => new Promise((resolve) => setTimeout(resolve));

async function texts(stream: CaptionStream): Promise<string[]> {
  const found: string[] = [];
  for await (const { text } of stream) found.push(text);
  return found;
}

test("gives every piece once, however they bunch", async () => {
  const stream = new CaptionStream(async (onPiece) => {
    onPiece(piece("a"));
    onPiece(piece("b"));
    await turn();
    onPiece(piece("c"));
    return CAPTION;
  });
  expect(await texts(stream)).toEqual(["a", "b", "c"]);
  expect(await texts(stream)).toEqual(["a", "b", "c"]);
  expect(await stream.result).toBe(CAPTION);
});

test("throws in the loop what the writing threw, after the pieces", async () => {
  const stream = new CaptionStream(async (onPiece) => {
    onPiece(piece("a"));
    throw new Error("lost");
  });
  const found: string[] = [];
  await expect(async () => {
    for await (const { text } of stream) found.push(text);
  }).rejects.toThrow("lost");
  expect(found).toEqual(["a"]);
});

test("leaving the loop stops the writing", async () => {
  let stop: AbortSignal | undefined;
  const stream = new CaptionStream(async (onPiece, signal) => {
    stop = signal;
    onPiece(piece("a"));
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    return CAPTION;
  });
  for await (const _ of stream) break;
  expect(stop?.aborted).toBe(true);
  await expect(stream.result).rejects.toBeDefined();
});

test("the caller's signal reaches the writing", async () => {
  const controller = new AbortController();
  const stream = new CaptionStream(async (_, signal) => {
    controller.abort();
    expect(signal.aborted).toBe(true);
    return CAPTION;
  }, controller.signal);
  await stream.result;
});
