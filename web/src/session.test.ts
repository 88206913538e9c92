import { expect, test } from "vitest";
import { AbortedError, ImageError, InvalidOptionError } from "./errors.js";
import { Session } from "./session.js";
import { hostOf, joinLoaded, texts } from "./testing/fake-worker.js";

const photo = Uint8Array.of(7);
const frame = { data: Uint8ClampedArray.of(1, 2, 3, 4), width: 1, height: 1 };

test("examples may have an image, a clip or only text, and questions", async () => {
  const { connection } = await joinLoaded();
  const session = new Session(hostOf(connection), 1, {
    task: "visual-question",
    shots: [
      { image: photo, question: "what?", text: "cat" },
      { frames: [photo, frame], text: "two" },
      { text: "none" },
    ],
  });
  expect(await texts(session.ask(photo, "where?"))).toEqual([
    "7what?=cat",
    "[7, 1×1:1 2 3 4]=two",
    "=none",
    "7",
    "where?",
    "a",
    "dog",
  ]);
  expect(frame.data).toEqual(Uint8ClampedArray.of(1, 2, 3, 4));
});

test("a dialogue keeps what it is told to, until it is told to forget", async () => {
  const { connection } = await joinLoaded();
  const session = new Session(hostOf(connection), 1, { task: "visual-question" });
  await session.ask(photo, "what?", { remember: true }).result;
  expect(await texts(session.ask(null, "where?"))).toEqual(["7 what?→a dog", "where?", "a", "dog"]);
  await session.forgetTurns();
  expect(await texts(session.ask(null, "where?"))).toEqual(["where?", "a", "dog"]);
});

test("a question needs a task with a place for it", async () => {
  const { connection } = await joinLoaded();
  const error = await new Session(hostOf(connection), 1, {})
    .ask(photo, "what?")
    .result.catch((error: unknown) => error);
  expect(error).toBeInstanceOf(InvalidOptionError);
  expect((error as Error).message).toContain("task");
  const template = "<image>{question}{answer}<|endofchunk|>";
  const session = new Session(hostOf(connection), 2, { task: { template } });
  expect(await texts(session.ask(photo, "what?"))).toEqual(["7", "what?", "a", "dog"]);
});

test("options cross without what belongs to the page", async () => {
  const { wasm, connection } = await joinLoaded();
  const session = new Session(hostOf(connection), 1, {});
  const { signal } = new AbortController();
  const constraint = { choices: ["a"] };
  await session.caption(photo, { signal, temperature: 1, seed: 3, constraint }).result;
  expect(wasm.options).toEqual({ temperature: 1, seed: 3, constraint });
  const schema = { enum: [1, 2] };
  const constrained = { constraint: { schema: '{"enum":[1,2]}' }, topK: 2 };
  await session.generate(["a"], { schema, topK: 2 }).result;
  expect(wasm.options).toEqual(constrained);
  wasm.options = undefined;
  await session.caption(photo, { schema, topK: 2 }).result;
  expect(wasm.options).toEqual(constrained);
  const both = session.generate(["a"], { schema, constraint }).result;
  await expect(both).rejects.toBeInstanceOf(InvalidOptionError);
  await session.beamSearch(photo, { signal, beams: 2 });
  expect(wasm.options).toEqual({ beams: 2 });
  await session.choose(photo, ["a"], { signal, calibrated: true, resemblance: 0 });
  expect(wasm.options).toEqual({ calibrated: true, resemblance: 0 });
});

test("a decision takes the schema whole, with a question that no task needs a place for", async () => {
  const { wasm, connection } = await joinLoaded();
  const session = new Session(hostOf(connection), 1, {});
  const schema = { type: "object", properties: { b: { type: "null" }, a: { const: 1 } } };
  const options = { question: "why?", calibrated: true, maxNewTokens: 3 };
  const decision = await session.decide(photo, schema, options);
  expect(decision).toEqual({ value: { schema, about: ["7", "why?"] }, probability: 1, leaves: [] });
  expect(wasm.options).toEqual({ calibrated: true, maxNewTokens: 3 });
});

test("choices come back in their order with their probabilities", async () => {
  const { wasm, connection } = await joinLoaded();
  const session = new Session(hostOf(connection), 1, {});
  expect(await session.choose(photo, ["cat", "dog"])).toEqual([
    { text: "cat", probability: 0.5 },
    { text: "dog", probability: 0.5 },
  ]);
  const parts = { likelihood: 0.25, vote: 0.75 };
  wasm.parts = parts;
  expect(await session.choose(photo, ["cat", "dog"])).toEqual([
    { text: "cat", probability: 0.5, parts },
    { text: "dog", probability: 0.5, parts },
  ]);
});

test("a prompt keeps the order of its parts, and nothing of it stays behind", async () => {
  const { wasm, connection } = await joinLoaded();
  const session = new Session(hostOf(connection), 1, { shots: [{ text: "unseen" }] });
  const prompt = [
    { image: photo },
    "a cat",
    { endOfChunk: true },
    { frames: [photo, photo] },
    "two",
  ] as const;
  const expected = ["7", "a cat", "<|endofchunk|>", "[7, 7]", "two"];
  expect(await texts(session.generate(prompt))).toEqual([...expected, "a", "dog"]);
  expect(await session.countTokens(prompt)).toBe(expected.length);
  expect([...wasm.alive].map((name) => name.replace(/ \d+$/, ""))).toEqual(["model", "session"]);
});

test("a fault in a part of a prompt frees the others", async () => {
  const { wasm, connection } = await joinLoaded();
  wasm.imageFault = { code: "image", message: "the file is empty" };
  const session = new Session(hostOf(connection), 1, {});
  const stream = session.generate([{ frames: [photo] }, { image: photo }]);
  await expect(stream.result).rejects.toBeInstanceOf(ImageError);
  expect([...wasm.alive].map((name) => name.replace(/ \d+$/, ""))).toEqual(["model", "session"]);
});

test("every call ends with its signal", async () => {
  const { connection } = await joinLoaded();
  const session = new Session(hostOf(connection), 1, {});
  const signal = AbortSignal.abort();
  for (const call of [
    session.choose(photo, ["a"], { signal }),
    session.decide(photo, { const: 1 }, { signal }),
    session.beamSearch(photo, { signal }),
    session.generate(["a"], { signal }).result,
    session.countTokens(["a"], { signal }),
  ]) {
    await expect(call).rejects.toBeInstanceOf(AbortedError);
  }
});
