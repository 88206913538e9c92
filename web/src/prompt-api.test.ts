import { afterEach, describe, expect, test, vi } from "vitest";
import { trimmed } from "./dialogue/trimmed.js";
import { HttpStatusError, InvalidOptionError, NetworkError } from "./errors.js";
import type { LoadOptions } from "./flamingo.js";
import {
  type CreateOptions,
  install,
  type LanguageModelConstructor,
  languageModel,
  languageModelBy,
  type PromptApiOptions,
  type PromptSession,
} from "./prompt-api.js";
import { type FakeTalk, fakeTalk } from "./testing/fake-talk.js";
import type { CachedModel, ModelInfo } from "./types.js";

afterEach(() => vi.unstubAllGlobals());

const photo = Uint8Array.of(7);
const image = { type: "image", value: photo } as const;
const text = (value: string) => ({ type: "text", value }) as const;
const IMAGES = { expectedInputs: [{ type: "image" }] } as const;

/** A session with a model of words. */
async function start(
  options: CreateOptions = {},
  fake: FakeTalk = fakeTalk(),
  more: Partial<PromptApiOptions> = {},
): Promise<{ fake: FakeTalk; session: PromptSession; LanguageModel: LanguageModelConstructor }> {
  const LanguageModel = languageModel({ model: fake.model, maxNewTokens: 10, ...more });
  return { fake, session: await LanguageModel.create(options), LanguageModel };
}

const nameOf = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: Error) => error.name,
  );

async function chunksOf(stream: ReadableStream<string>): Promise<string[]> {
  const chunks: string[] = [];
  for await (const chunk of stream as unknown as AsyncIterable<string>) chunks.push(chunk);
  return chunks;
}

describe("the interface", () => {
  test("is defined where there is none, and the browser's own stays", async () => {
    const { model } = fakeTalk();
    vi.stubGlobal("LanguageModel", undefined);
    const LanguageModel = install({ model });
    expect((globalThis as { LanguageModel?: unknown }).LanguageModel).toBe(LanguageModel);
    const session = await LanguageModel.create();
    expect(session).toBeInstanceOf(LanguageModel as unknown as new () => unknown);
    expect(session).toBeInstanceOf(EventTarget);
    expect(install({ model })).toBe(LanguageModel);
    const own = { create: () => {} };
    vi.stubGlobal("LanguageModel", own);
    expect(install({ model })).toBe(own);
  });

  test("has what pages look for", async () => {
    const { session, LanguageModel } = await start();
    for (const method of [
      "prompt",
      "promptStreaming",
      "append",
      "measureContextUsage",
      "clone",
      "destroy",
    ]) {
      expect(typeof session[method as keyof PromptSession], method).toBe("function");
    }
    expect([session.contextUsage, session.contextWindow]).toEqual([0, 90]);
    expect([session.inputUsage, session.inputQuota]).toEqual([0, 90]);
    expect(session.oncontextoverflow).toBeNull();
    const Class = LanguageModel as unknown as new () => unknown;
    expect(() => new Class()).toThrow(TypeError);
    expect(Class.name).toBe("LanguageModel");
  });

  test("takes templates that have the places of an answer and a question", async () => {
    const { model } = fakeTalk();
    for (const template of ["Say:", "{answer}<|endofchunk|>"]) {
      expect(() => languageModel({ model, template })).toThrow(InvalidOptionError);
    }
    const template = "<image>Q {question} A {answer}<|endofchunk|>.";
    const { fake, session } = await start(IMAGES, fakeTalk(), { template });
    await session.prompt([{ role: "user", content: [image, text("what?")] }]);
    expect(fake.prompts).toEqual(["[7]Q what? A "]);
  });
});

describe("availability and creation", () => {
  const info: ModelInfo = {
    name: "m",
    family: undefined,
    licence: "MIT",
    totalBytes: 8,
    memoryBytes: 8,
    heapBytes: { cpu: 8, webgpu: 8 },
    config: null,
  };
  const URL_OF_MODEL = "https://page.test/model.json";

  function loading(cached: Partial<CachedModel> = { bytes: 0 }, inspect = async () => info) {
    vi.stubGlobal("document", { baseURI: "https://page.test/" });
    const fake = fakeTalk();
    let go: (fault?: Error) => void = () => {};
    const started = vi.fn();
    const loader = {
      inspect,
      cached: async () => [{ ...info, url: URL_OF_MODEL, bytes: 0, ...cached }],
      load: (_: unknown, { onProgress = () => {} }: LoadOptions) => {
        started();
        return new Promise<never>((resolve, reject) => {
          go = (fault) => {
            for (const loaded of [0, 3, 2, 8]) {
              const remainingMs = undefined;
              onProgress({ status: "progress", file: "", loaded, total: 8, remainingMs });
            }
            if (fault === undefined) resolve(fake.model as never);
            else reject(fault);
          };
        });
      },
    };
    const LanguageModel = languageModelBy(loader as never, { model: "model.json" });
    return { LanguageModel, started, go: (fault?: Error) => go(fault) };
  }

  test("says what is left to be downloaded", async () => {
    const { LanguageModel, go } = loading();
    expect(await LanguageModel.availability()).toBe("downloadable");
    const creating = LanguageModel.create();
    expect(await LanguageModel.availability()).toBe("downloading");
    go();
    await creating;
    expect(await LanguageModel.availability()).toBe("available");
    expect(await loading({ bytes: 8 }).LanguageModel.availability()).toBe("available");
    const gone = async () => {
      throw new NetworkError({ url: URL_OF_MODEL });
    };
    expect(await loading({}, gone).LanguageModel.availability()).toBe("unavailable");
  });

  test.each([
    [{ expectedInputs: [{ type: "image", languages: ["en-GB"] }] }, "available"],
    [{ expectedInputs: [{ type: "audio" }] }, "unavailable"],
    [{ expectedInputs: [{ type: "tool-response" }] }, "unavailable"],
    [{ expectedInputs: [{ type: "text", languages: ["ja"] }] }, "unavailable"],
    [{ expectedOutputs: [{ type: "image" }] }, "unavailable"],
    [{ expectedOutputs: [{ type: "text", languages: ["en", "de"] }] }, "unavailable"],
    [{ tools: [{ name: "weather" }] }, "unavailable"],
    [{ thinking: { effort: "high" } }, "unavailable"],
    [{ thinking: { effort: "none" }, topK: 3, temperature: 0.5 }, "available"],
  ] as [CreateOptions, string][])(
    "with %j it is %s, and so is a session",
    async (options, found) => {
      const { LanguageModel } = await start();
      expect(await LanguageModel.availability(options)).toBe(found);
      const expected = found === "available" ? "no error" : "NotSupportedError";
      expect(await nameOf(LanguageModel.create(options))).toBe(expected);
    },
  );

  test("refuses what is no language, type or mode", async () => {
    const { LanguageModel } = await start();
    const languages = { expectedInputs: [{ type: "text", languages: ["no tag"] }] } as const;
    expect(await nameOf(LanguageModel.availability(languages))).toBe("RangeError");
    expect(await nameOf(LanguageModel.create(languages))).toBe("RangeError");
    const type = { expectedInputs: [{ type: "smell" as never }] };
    expect(await nameOf(LanguageModel.create(type))).toBe("TypeError");
    const samplingMode = "warm" as never;
    expect(await nameOf(LanguageModel.create({ samplingMode }))).toBe("TypeError");
  });

  test("tells of the download from 0 to 1, and loads once", async () => {
    const { LanguageModel, go, started } = loading();
    const heard: number[] = [];
    const monitor: CreateOptions["monitor"] = (target) => {
      const hear = (event: Event) => heard.push((event as ProgressEvent).loaded);
      target.addEventListener("downloadprogress", hear);
      target.ondownloadprogress = (event) => expect((event as ProgressEvent).total).toBe(1);
    };
    const creating = [LanguageModel.create({ monitor }), LanguageModel.create()];
    await Promise.resolve();
    go();
    await Promise.all(creating);
    expect(heard).toEqual([0, 3 / 8, 1]);
    heard.length = 0;
    await LanguageModel.create({ monitor });
    expect(heard).toEqual([0, 1]);
    expect(started).toHaveBeenCalledTimes(1);
  });

  test("is ended by its signal, which is told nothing more", async () => {
    const { LanguageModel, go } = loading();
    const heard: Event[] = [];
    const monitor: CreateOptions["monitor"] = (target) => {
      target.ondownloadprogress = (event) => heard.push(event);
    };
    const stop = new AbortController();
    const creating = LanguageModel.create({ monitor, signal: stop.signal });
    const reason = new Error("enough");
    stop.abort(reason);
    await expect(creating).rejects.toBe(reason);
    go();
    await LanguageModel.create();
    expect(heard).toHaveLength(1);
    await expect(LanguageModel.create({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
  });

  test("names what went wrong with the download, and tries again", async () => {
    const { LanguageModel, go } = loading();
    const failing = LanguageModel.create();
    await Promise.resolve();
    const cause = new HttpStatusError({ url: URL_OF_MODEL, status: 500 });
    go(cause);
    const error = await failing.catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "NetworkError", message: cause.message, cause });
    const again = LanguageModel.create();
    await Promise.resolve();
    go();
    expect(await again).toBeInstanceOf(EventTarget);
  });

  test("fails with what the monitor throws", async () => {
    const { LanguageModel } = await start();
    const monitor = () => {
      throw new Error("mine");
    };
    await expect(LanguageModel.create({ monitor })).rejects.toThrow("mine");
  });
});

describe("what is said", () => {
  test("initial prompts of pictures and texts are examples", async () => {
    const { fake, session } = await start({
      ...IMAGES,
      initialPrompts: [
        { role: "user", content: [image, text("what?")] },
        { role: "assistant", content: "a cat" },
        { role: "user", content: [{ type: "image", value: Uint8Array.of(8) }, text("where?")] },
        { role: "assistant", content: [text("at "), text("home")] },
      ],
    });
    expect(session.contextUsage).toBe(10);
    expect(
      await session.prompt([
        { role: "user", content: [{ type: "image", value: Uint8Array.of(9) }, text("why?")] },
      ]),
    ).toBe("a dog");
    expect(fake.prompts).toEqual([
      "[7]Question:what? Short answer:a cat\n[8]Question:where? Short answer:at home\n[9]Question:why? Short answer:",
    ]);
  });

  test("pictures alone are captioned, and examples are too", async () => {
    const { fake, session } = await start({
      ...IMAGES,
      initialPrompts: [
        { role: "user", content: [image] },
        { role: "assistant", content: "a cat" },
      ],
    });
    await session.prompt([{ role: "user", content: [{ type: "image", value: photo.buffer }] }]);
    expect(fake.prompts).toEqual(["[7]Output:a cat\n[7]Output:"]);
  });

  test("a text is short for a message, and what was said is remembered", async () => {
    const { fake, session } = await start();
    await session.prompt("one");
    await session.prompt([{ role: "user", content: "two" }]);
    await session.prompt([{ role: "user", content: [text("th"), text("ree")] }]);
    expect(fake.prompts.at(-1)).toBe(
      "Question:one Short answer:a dog\nQuestion:two Short answer:a dog\nQuestion:three Short answer:",
    );
    // Nothing was read anew: it is one session still, beside that which counts.
    expect(fake.alive).toBe(2);
  });

  test("several pictures, and pictures between texts, are one prompt", async () => {
    const { fake, session } = await start(IMAGES);
    const other = { type: "image", value: Uint8Array.of(8) } as const;
    await session.prompt([{ role: "user", content: [image, text("these?"), other] }]);
    await session.prompt([{ role: "user", content: [image] }]);
    expect(fake.prompts).toEqual([
      "[7][8]Question:these? Short answer:",
      "[7][8]Question:these? Short answer:a dog\n[7]Output:",
    ]);
  });

  test("nothing is a message without a text", async () => {
    const { fake, session } = await start();
    await session.prompt([]);
    await session.prompt([{ role: "user", content: [] }]);
    expect(fake.prompts[0]).toBe("Output:");
  });

  test("messages that follow one another are one, also where they were appended", async () => {
    const { fake, session } = await start(IMAGES);
    expect(await session.append([{ role: "user", content: [image] }])).toBeUndefined();
    expect(session.contextUsage).toBe(2);
    await session.prompt([
      { role: "user", content: "one" },
      { role: "user", content: "two" },
    ]);
    expect(fake.prompts).toEqual(["[7]Question:one\ntwo Short answer:"]);
    await session.append([
      { role: "user", content: "three" },
      { role: "assistant", content: "four" },
    ]);
    await session.prompt("five");
    expect(fake.prompts[1]).toBe(
      "[7]Question:one\ntwo Short answer:a dog\nQuestion:three Short answer:four\nQuestion:five Short answer:",
    );
  });

  test("an answer may have a beginning", async () => {
    const { fake, session } = await start();
    const begin = { role: "assistant", content: "It is", prefix: true } as const;
    expect(await session.prompt([{ role: "user", content: "what?" }, begin])).toBe("a dog");
    expect(fake.prompts).toEqual(["Question:what? Short answer:It is"]);
    for (const messages of [
      [begin, { role: "user", content: "what?" } as const],
      [{ role: "user", content: "what?", prefix: true } as const],
    ]) {
      expect(await nameOf(session.prompt(messages))).toBe("SyntaxError");
    }
    expect(await nameOf(session.append([begin]))).toBe("SyntaxError");
  });

  test.each([
    ["no prompt at all", undefined, "TypeError"],
    ["what is no list", 7, "TypeError"],
    ["an object", {}, "TypeError"],
    ["a message without a role", [{ content: "a" }], "TypeError"],
    ["another role", [{ role: "model", content: "a" }], "TypeError"],
    ["no content", [{ role: "user" }], "TypeError"],
    [
      "a picture as a text",
      [{ role: "user", content: [{ type: "text", value: photo }] }],
      "TypeError",
    ],
    [
      "a text as a picture",
      [{ role: "user", content: [{ type: "image", value: "a" }] }],
      "TypeError",
    ],
    ["another type", [{ role: "user", content: [{ type: "smell", value: "a" }] }], "TypeError"],
    ["a system prompt", [{ role: "system", content: "Be nice." }], "NotSupportedError"],
    ["audio", [{ role: "user", content: [{ type: "audio", value: photo }] }], "NotSupportedError"],
    [
      "a call",
      [{ role: "assistant", content: [{ type: "tool-call", value: {} }] }],
      "NotSupportedError",
    ],
    [
      "a result",
      [{ role: "user", content: [{ type: "tool-response", value: {} }] }],
      "NotSupportedError",
    ],
    ["the assistant's picture", [{ role: "assistant", content: [image] }], "NotSupportedError"],
  ])("%s is refused, however it comes", async (_, input, name) => {
    const { fake, session, LanguageModel } = await start(IMAGES);
    const prompt = input as never;
    expect(await nameOf(session.prompt(prompt))).toBe(name);
    expect(await nameOf(session.append(prompt))).toBe(name);
    expect(await nameOf(session.measureContextUsage(prompt))).toBe(name);
    expect(await nameOf(chunksOf(session.promptStreaming(prompt)))).toBe(name);
    if (input !== undefined) {
      expect(await nameOf(LanguageModel.create({ ...IMAGES, initialPrompts: prompt }))).toBe(name);
    }
    expect(fake.prompts).toEqual([]);
  });

  test("a picture must have been expected", async () => {
    const { session } = await start();
    expect(await nameOf(session.prompt([{ role: "user", content: [image] }]))).toBe(
      "NotSupportedError",
    );
  });

  test("a picture is what it was when it was said", async () => {
    const { fake, session } = await start(IMAGES);
    const bytes = Uint8Array.of(0, 7, 0);
    const view = { type: "image", value: new DataView(bytes.buffer, 1, 1) } as const;
    const answer = session.prompt([{ role: "user", content: [view] }]);
    bytes.fill(1);
    await answer;
    expect(fake.prompts).toEqual(["[7]Output:"]);
  });
});

describe("answers", () => {
  test("come in pieces that are the whole", async () => {
    const { fake, session } = await start();
    fake.answer = [" ", " a", " ", "dog", " \n"];
    expect(await chunksOf(session.promptStreaming("what?"))).toEqual(["a", " dog"]);
    expect(await session.prompt("what?")).toBe("a dog");
  });

  test("end where the stream is left", async () => {
    const { fake, session } = await start();
    fake.gate = new Promise(() => {});
    const reader = session.promptStreaming("what?").getReader();
    expect(await reader.read()).toEqual({ done: false, value: "a" });
    await reader.cancel();
    fake.gate = Promise.resolve();
    await session.prompt("again?");
    expect(fake.prompts.at(-1)).toBe("Question:again? Short answer:");
  });

  test("have as much chance as the mode says", async () => {
    const { fake, session } = await start();
    expect(session.samplingMode).toBe("most-predictable");
    await session.prompt("what?");
    expect(fake.options).toEqual({ maxNewTokens: 10, remember: true });
    const creative = await start({ samplingMode: "creative" }, fake);
    expect(creative.session.samplingMode).toBe("creative");
    await creative.session.prompt("what?");
    expect(fake.options).toMatchObject({ temperature: 1, seed: expect.any(Number) });
  });

  test("match a pattern", async () => {
    const { fake, session } = await start();
    fake.meetsConstraint = true;
    await session.prompt("what?", { responseConstraint: /a|b/ });
    expect(fake.options).toMatchObject({ constraint: { regex: "a|b" } });
    await session.prompt("what?", { responseConstraint: /a.\/b/gisu });
    expect(fake.options).toMatchObject({ constraint: { regex: "(?is)a.\\/b" } });
    fake.meetsConstraint = false;
    expect(await nameOf(session.prompt("what?", { responseConstraint: /a/ }))).toBe("SyntaxError");
  });

  test("are values of a schema", async () => {
    const { fake, session } = await start(IMAGES, fakeTalk());
    const responseConstraint = { enum: ["dog", "cat"] };
    const message = { role: "user", content: [image, text("which?")] } as const;
    expect(await session.prompt([message], { responseConstraint })).toBe('"dog"');
    expect(fake.prompts).toEqual(["[7]Question:which? Short answer:"]);
    expect(await chunksOf(session.promptStreaming("and?", { responseConstraint }))).toEqual([
      '"dog"',
    ]);
    expect(fake.prompts[1]).toBe(
      '[7]Question:which? Short answer:"dog"\nQuestion:and? Short answer:',
    );
    const two = { role: "user", content: [image, image] } as const;
    expect(await nameOf(session.prompt([two], { responseConstraint }))).toBe("NotSupportedError");
  });

  test.each([
    ["a list", { responseConstraint: [] }],
    ["a text", { responseConstraint: "a" as never }],
    ["nothing to omit", { omitResponseConstraintInput: true }],
  ])("%s is no constraint", async (_, options) => {
    const { session } = await start();
    expect(await nameOf(session.prompt("what?", options))).toBe("TypeError");
    expect(await nameOf(session.measureContextUsage("what?", options))).toBe("TypeError");
  });
});

describe("ends", () => {
  test("a prompt that is stopped was not said; others go on", async () => {
    const { fake, session } = await start();
    await session.prompt("one");
    let open = () => {};
    fake.gate = new Promise((resolve) => {
      open = resolve;
    });
    const stop = new AbortController();
    const later = new AbortController();
    const running = session.prompt("two", { signal: stop.signal });
    const queued = session.prompt("three", { signal: later.signal });
    const last = session.prompt("four");
    const reason = new Error("enough");
    later.abort(reason);
    await expect(queued).rejects.toBe(reason);
    await vi.waitFor(() => expect(fake.prompts).toHaveLength(2));
    stop.abort();
    expect(await nameOf(running)).toBe("AbortError");
    open();
    await last;
    expect(fake.prompts.at(-1)).toBe(
      "Question:one Short answer:a dog\nQuestion:four Short answer:",
    );
  });

  test.each(["prompt", "append", "measureContextUsage", "clone"] as const)(
    "%s takes a signal that has fired",
    async (method) => {
      const { session } = await start();
      const options = { signal: AbortSignal.abort() };
      const call = method === "clone" ? session.clone(options) : session[method]("what?", options);
      expect(await nameOf(call)).toBe("AbortError");
    },
  );

  test("a destroyed session ends what it does, and does nothing more", async () => {
    const { fake, session } = await start();
    await session.prompt("one");
    fake.gate = new Promise(() => {});
    const running = session.prompt("two");
    const stream = chunksOf(session.promptStreaming("three"));
    await vi.waitFor(() => expect(fake.prompts).toHaveLength(2));
    session.destroy();
    expect(await nameOf(running)).toBe("AbortError");
    expect(await nameOf(stream)).toBe("AbortError");
    for (const call of [
      session.prompt("what?"),
      session.append("what?"),
      session.measureContextUsage("what?"),
      session.clone(),
      chunksOf(session.promptStreaming("what?")),
    ]) {
      expect(await nameOf(call)).toBe("InvalidStateError");
    }
    expect([session.contextUsage, session.contextWindow]).toEqual([4, 90]);
    session.destroy();
    expect(fake.alive).toBe(0);
  });

  test("the signal of its creation destroys a session", async () => {
    const stop = new AbortController();
    const { fake, session } = await start({ signal: stop.signal });
    fake.gate = new Promise(() => {});
    const running = session.prompt("one");
    await vi.waitFor(() => expect(fake.prompts).toHaveLength(1));
    const reason = new Error("enough");
    stop.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(await nameOf(session.prompt("two"))).toBe("InvalidStateError");
  });

  test("a clone goes on by itself", async () => {
    const { fake, session } = await start();
    await session.prompt("one");
    const clone = await session.clone();
    expect(clone.contextUsage).toBe(session.contextUsage);
    await session.prompt("two");
    await clone.prompt("three");
    expect(fake.prompts.at(-1)).toBe(
      "Question:one Short answer:a dog\nQuestion:three Short answer:",
    );
    session.destroy();
    expect(await clone.prompt("four")).toBe("a dog");
  });
});

describe("the context", () => {
  test("is measured and not filled by measuring", async () => {
    const { session } = await start(IMAGES);
    expect(await session.measureContextUsage("one two")).toBe(4);
    expect(await session.measureContextUsage([{ role: "user", content: [image] }])).toBe(2);
    expect(session.contextUsage).toBe(0);
    await session.prompt("one two");
    expect(session.contextUsage).toBe(5);
  });

  test("loses what was said first, and not the examples", async () => {
    const { fake, session } = await start(
      {
        initialPrompts: [
          { role: "user", content: "example" },
          { role: "assistant", content: "yes" },
        ],
      },
      fakeTalk({ context: 30 }),
    );
    const overflow = vi.fn();
    session.oncontextoverflow = overflow;
    const heard = vi.fn();
    session.addEventListener("contextoverflow", heard);
    await session.prompt("one");
    await session.prompt("two");
    await session.prompt("three");
    expect(overflow).not.toHaveBeenCalled();
    await session.prompt("four five six seven");
    expect(overflow).toHaveBeenCalledTimes(1);
    expect(heard).toHaveBeenCalledTimes(1);
    expect(fake.prompts.at(-1)).toBe(
      "Question:example Short answer:yes\nQuestion:two Short answer:a dog\nQuestion:three Short answer:a dog\nQuestion:four five six seven Short answer:",
    );
    // What could not be made room for changes nothing.
    const usage = session.contextUsage;
    const words = "word ".repeat(40);
    await expect(session.prompt(words)).rejects.toMatchObject({
      name: "QuotaExceededError",
      quota: 20,
      requested: expect.any(Number),
    });
    expect(session.contextUsage).toBe(usage);
    expect(overflow).toHaveBeenCalledTimes(1);
    expect(await nameOf(session.append(words))).toBe("QuotaExceededError");
  });

  test("is too small for some examples", async () => {
    const { LanguageModel } = await start({}, fakeTalk({ context: 30 }));
    const creating = LanguageModel.create({ initialPrompts: "word ".repeat(100) });
    const error = await creating.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(DOMException);
    // More than the model reads are counted too.
    expect(error).toMatchObject({ name: "QuotaExceededError", quota: 20 });
    expect((error as { requested: number }).requested).toBeGreaterThan(100);
  });
});

test("white space around a text is left out, and none within", async () => {
  async function* pieces() {
    yield* ["", " ", "\n a", "b ", " ", " c", "", " "];
  }
  const found: string[] = [];
  for await (const piece of trimmed(pieces())) found.push(piece);
  expect(found).toEqual(["a", "b", "   c"]);
});
