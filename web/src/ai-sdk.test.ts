import {
  experimental_decide as decideBy,
  generateText,
  jsonSchema,
  NoSuchModelError,
  Output,
  streamText,
  UnsupportedFunctionalityError,
} from "ai";
import { expect, test, vi } from "vitest";
import { createFlamingo } from "./ai-sdk.js";
import { type FakeTalk, fakeTalk } from "./testing/fake-talk.js";

function start(fake: FakeTalk = fakeTalk()) {
  const flamingo = createFlamingo({ models: { tiny: fake.model } });
  return { fake, flamingo, model: flamingo("tiny") };
}

const picture = (byte: number) =>
  ({ type: "file", mediaType: "image", data: Uint8Array.of(byte) }) as const;
const text = (text: string) => ({ type: "text", text }) as const;

/** Faults come at once: nothing would be otherwise a second time. */
const maxRetries = 0;

test("pictures and texts in messages are shots and a question", async () => {
  const { fake, model } = start();
  const result = await generateText({
    model,
    maxRetries,
    maxOutputTokens: 12,
    temperature: 0.5,
    topK: 3,
    topP: 0.5,
    seed: 4,
    stopSequences: ["."],
    messages: [
      { role: "user", content: [picture(7), text("what?")] },
      { role: "assistant", content: "a cat" },
      { role: "user", content: [{ ...picture(0), data: btoa("\x08") }, text("and what?")] },
    ],
  });
  expect(fake.prompts).toEqual([
    "[7]Question:what? Short answer:a cat\n[8]Question:and what? Short answer:",
  ]);
  expect(fake.options).toEqual({
    maxNewTokens: 12,
    temperature: 0.5,
    topK: 3,
    topP: 0.5,
    seed: 4,
    stop: ["."],
    remember: true,
  });
  expect(result.text).toBe("a dog");
  expect(result.finishReason).toBe("stop");
  expect(result.usage).toMatchObject({ inputTokens: 10, outputTokens: 2, totalTokens: 12 });
  expect(result.warnings ?? []).toEqual([]);
  expect(result.providerMetadata?.flamingo?.timings).toMatchObject({ encodeMs: 1 });
  expect(fake.alive).toBe(0);
});

test("a text comes piece by piece", async () => {
  const { fake, model } = start();
  fake.answer = [" a", " dog", " "];
  const result = streamText({ model, messages: [{ role: "user", content: [picture(7)] }] });
  const pieces: string[] = [];
  for await (const piece of result.textStream) pieces.push(piece);
  expect(pieces.join("")).toBe("a dog");
  expect(pieces.length).toBeGreaterThan(1);
  expect(await result.finishReason).toBe("stop");
  expect(await result.usage).toMatchObject({ inputTokens: 2, outputTokens: 3 });
  expect(fake.prompts).toEqual(["[7]Output:"]);
  expect(fake.alive).toBe(0);
});

test("an output by schema is decided, and sure", async () => {
  const { fake, model } = start(fakeTalk());
  const result = await generateText({
    model,
    maxRetries,
    messages: [{ role: "user", content: [picture(7), text("which?")] }],
    output: Output.object({ schema: jsonSchema<{ enum?: string[] }>({ enum: [{ a: 1 }] }) }),
  });
  expect(result.output).toEqual({ a: 1 });
  expect(fake.prompts).toEqual(["[7]Question:which? Short answer:"]);
  expect(result.providerMetadata?.flamingo).toMatchObject({ probability: 0.75 });
  expect(result.usage).toMatchObject({ inputTokens: 4 });

  const streaming = streamText({
    model,
    prompt: "which?",
    output: Output.object({ schema: jsonSchema<{ a: number }>({ enum: [{ a: 1 }] }) }),
  });
  expect(await streaming.output).toEqual({ a: 1 });
});

test("a text is stopped by its signal", async () => {
  const { fake, model } = start();
  fake.gate = new Promise(() => {});
  const stop = new AbortController();
  const request = { model, maxRetries, prompt: "what?", abortSignal: stop.signal };
  const running = generateText(request);
  await vi.waitFor(() => expect(fake.prompts).toHaveLength(1));
  stop.abort();
  await expect(running).rejects.toMatchObject({ name: "AbortError" });
  await vi.waitFor(() => expect(fake.alive).toBe(0));

  const again = new AbortController();
  const onAbort = vi.fn();
  const stream = streamText({ ...request, abortSignal: again.signal, onAbort });
  const parts: string[] = [];
  for await (const part of stream.fullStream) {
    parts.push(part.type);
    if (part.type === "text-delta") again.abort();
  }
  expect(parts.at(-1)).toBe("abort");
  expect(onAbort).toHaveBeenCalledTimes(1);
  await vi.waitFor(() => expect(fake.alive).toBe(0));
});

test.each([
  ["a system prompt", { instructions: "Be nice.", prompt: "what?" }],
  [
    "tools",
    { prompt: "what?", tools: { weather: { inputSchema: jsonSchema({ type: "object" }) } } },
  ],
  ["JSON of no schema", { prompt: "what?", output: Output.json() }],
  [
    "sound",
    {
      messages: [
        {
          role: "user",
          content: [{ type: "file", mediaType: "audio/wav", data: Uint8Array.of(1) }],
        },
      ],
    },
  ],
])("%s is refused by name", async (_, request) => {
  const { fake, model } = start();
  const error = await generateText({ model, maxRetries, ...request } as never).catch((e) => e);
  expect(UnsupportedFunctionalityError.isInstance(error), `${error}`).toBe(true);
  expect(fake.prompts).toEqual([]);
});

test("what is left out is told", async () => {
  const { model } = start();
  const request = { model, prompt: "what?", presencePenalty: 1, frequencyPenalty: 1 };
  // They are logged too.
  vi.stubGlobal("AI_SDK_LOG_WARNINGS", false);
  const { warnings } = await generateText(request);
  expect(warnings).toEqual([
    { type: "unsupported", feature: "presencePenalty" },
    { type: "unsupported", feature: "frequencyPenalty" },
  ]);
  vi.unstubAllGlobals();
});

test("decisions are likelihoods", async () => {
  const { fake, flamingo } = start(fakeTalk());
  const { answers } = await decideBy({
    model: flamingo.decisionModel("tiny"),
    maxRetries,
    state: [text("At home."), picture(7)],
    questions: {
      animal: { type: "choice", instructions: "Which?", criteria: { cat: null, dog: "a hound" } },
      size: { type: "score", criteria: ["small", "large"] },
      happy: { type: "boolean", instructions: "Is it happy?" },
    },
  });
  expect(answers.animal.choice).toBe("cat");
  expect(answers.animal.probabilities?.cat).toBeCloseTo(2 / 3, 12);
  expect(answers.size.score).toBeCloseTo(1 / 3, 12);
  expect(answers.happy.probability).toBeCloseTo(2 / 3, 12);
  expect(fake.prompts).toEqual([
    "[7]Question:At home.\nWhich? Short answer:",
    "[7]Question:At home. Short answer:",
    "[7]Question:At home.\nIs it happy? Short answer:",
  ]);
  expect(fake.alive).toBe(0);
});

test("there are no other kinds of models", () => {
  const { flamingo } = start();
  expect(() => flamingo.embeddingModel("tiny")).toThrow(NoSuchModelError);
  expect(() => flamingo.imageModel("tiny")).toThrow(NoSuchModelError);
  expect(flamingo.languageModel("tiny")).toMatchObject({ modelId: "tiny", provider: "flamingo" });
});
