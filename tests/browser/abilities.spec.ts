/**
 * The package with the tiny model: what a page can do with it beyond captions. It is served file
 * by file, as an embedder without a bundler would, under the site's own policy.
 */

import { expect, type Page, test } from "@playwright/test";
import type * as Package from "../../web/dist/index.js";
import { TINY_MODEL } from "./caption-page.js";
import { PHOTOS } from "./fixtures.js";
import { type PackageServer, pathInClone, servePackage } from "./package-server.js";

declare global {
  interface Window {
    flamingo: typeof Package;
    model: Package.Flamingo;
    photos: Blob[];
  }
}

let server: PackageServer;
let page: Page;

/** One page with one model for all tests: loading it would take longer than they do. */
test.beforeAll(async ({ browser }) => {
  server = await servePackage({ "/": "<!doctype html><title>embed</title>" });
  page = await browser.newPage();
  await page.goto(server.origin);
  const paths = PHOTOS.slice(0, 3).map(pathInClone);
  await page.evaluate(
    async ({ url, paths }) => {
      window.flamingo = await import(/* @vite-ignore */ `${location.origin}/web/dist/index.js`);
      window.model = await window.flamingo.Flamingo.load(url, { device: "cpu" });
      window.photos = await Promise.all(paths.map(async (path) => (await fetch(path)).blob()));
    },
    { url: `/${TINY_MODEL}`, paths },
  );
});

test.afterAll(async () => {
  await page.close();
  await server.close();
});

test("a dialogue goes on from its turns, and forgets them when told", async () => {
  const { first, second, again, fresh } = await page.evaluate(async () => {
    const { model, photos } = window;
    const session = model.session({ task: "visual-question" });
    const [photo = new Blob()] = photos;
    const options = { maxNewTokens: 8 };
    const first = await session.ask(photo, "What is it?", { ...options, remember: true }).result;
    const second = await session.ask(null, "And where?", options).result;
    await session.forgetTurns();
    const again = await session.ask(photo, "And where?", options).result;
    const fresh = await model.session({ task: "visual-question" }).ask(photo, "And where?", options)
      .result;
    return { first, second, again, fresh };
  });
  expect(first.reusedTokens).toBe(0);
  // The image, the question before it and its answer.
  expect(second.reusedTokens).toBeGreaterThan(first.tokenIds.length);
  expect(again.tokenIds).toEqual(fresh.tokenIds);
});

test("the probabilities of choices sum to one, whatever is asked of them", async () => {
  const answers = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob(), other = new Blob()] = photos;
    const shots = [
      { image: other, question: "What is it?", text: "a dog" },
      { text: "a cat", question: "What is it?" },
    ];
    const session = model.session({ task: "visual-question", shots });
    const choices = ["a dog", "a cat in the snow", "two people"];
    const question = "What is it?";
    return Promise.all(
      [{}, { calibrated: true }, { orders: 2, reduction: "sum" } as const].map((options) =>
        session.choose(photo, choices, { question, ...options }),
      ),
    );
  });
  for (const answer of answers) {
    expect(answer.map(({ text }) => text)).toEqual(["a dog", "a cat in the snow", "two people"]);
    const sum = answer.reduce((sum, { probability }) => sum + probability, 0);
    expect(sum).toBeCloseTo(1, 6);
  }
});

test("a prompt of one's own equals the session's where it has the same parts", async () => {
  const { caption, generated, tokens, longer } = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob(), other = new Blob()] = photos;
    const session = model.session({ shots: [{ image: other, text: "a dog" }] });
    const prompt = [
      { image: other },
      "Output:a dog",
      { endOfChunk: true },
      "\n",
      { image: photo },
      "Output:",
    ] as const;
    return {
      caption: await session.caption(photo).result,
      generated: await session.generate(prompt).result,
      tokens: await session.countTokens(prompt),
      longer: await session.countTokens([...prompt, { frames: [photo, other] }]),
    };
  });
  expect(generated.tokenIds).toEqual(caption.tokenIds);
  expect(longer).toBe(tokens + 1);
});

test("a clip is seen as one, and pixels as the file they came from", async () => {
  const { file, pixels, clip, reversed } = await page.evaluate(async () => {
    const { model } = window;
    const session = model.session();
    const draw = (colour: string) => {
      const canvas = new OffscreenCanvas(40, 30);
      const context = canvas.getContext("2d");
      if (context === null) throw new Error("no canvas");
      context.fillStyle = colour;
      context.fillRect(0, 0, 40, 30);
      context.fillStyle = "white";
      context.fillRect(5, 5, 10, 20);
      return { canvas, pixels: context.getImageData(0, 0, 40, 30) };
    };
    const [red, blue] = [draw("red"), draw("blue")];
    const say = async (source: Package.MediaSource) => {
      const pieces: Package.TokenPiece[] = [];
      for await (const piece of session.caption(source, { maxNewTokens: 4 })) pieces.push(piece);
      return pieces.map(({ id, logProbability }) => [id, logProbability]);
    };
    return {
      file: await say(await red.canvas.convertToBlob()),
      pixels: await say(red.pixels),
      clip: await say({ frames: [red.pixels, await blue.canvas.convertToBlob()] }),
      reversed: await say({ frames: [blue.pixels, red.pixels] }),
    };
  });
  expect(pixels).toEqual(file);
  expect(clip).not.toEqual(file);
  expect(reversed).not.toEqual(clip);
});

test("the same seed draws the same tokens", async () => {
  const [first, second, other] = await page.evaluate(async () => {
    const { model, photos } = window;
    const session = model.session();
    const ids: (readonly number[])[] = [];
    for (const seed of [7, 7, 8]) {
      const options = { temperature: 1.5, topP: 0.95, seed, maxNewTokens: 12 };
      ids.push((await session.caption(photos[0] ?? new Blob(), options).result).tokenIds);
    }
    return ids;
  });
  expect(second).toEqual(first);
  expect(other).not.toEqual(first);
});

test("a stop text ends the text before it, and what it could have been is told", async () => {
  const { whole, stopped, shown, alternatives } = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob()] = photos;
    const session = model.session();
    const whole = await session.caption(photo).result;
    const stop = [whole.text.slice(4, 7)];
    const stream = session.caption(photo, { stop, alternatives: 3 });
    const pieces: Package.TokenPiece[] = [];
    for await (const piece of stream) pieces.push(piece);
    return {
      whole,
      stopped: await stream.result,
      shown: pieces.map(({ text }) => text).join(""),
      alternatives: pieces.map(({ id, alternatives }) => [
        id,
        alternatives[0]?.id,
        alternatives.length,
      ]),
    };
  });
  expect(stopped.stopReason).toBe("stop_text");
  expect(whole.text.startsWith(stopped.text)).toBe(true);
  expect(stopped.text).not.toContain(whole.text.slice(4, 7));
  expect(shown.trim()).toBe(stopped.text);
  for (const [id, likeliest, count] of alternatives) {
    expect(likeliest).toBe(id);
    expect(count).toBe(3);
  }
});

test("each token tells where in the photo it looked, if that is asked for", async () => {
  const [maps = [], plain = []] = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob()] = photos;
    const found: Package.TokenPiece[][] = [];
    for (const attention of [true, false]) {
      const pieces: Package.TokenPiece[] = [];
      for await (const piece of model.session().caption(photo, { attention })) pieces.push(piece);
      found.push(pieces);
    }
    return found;
  });
  expect(maps.map(({ id }) => id)).toEqual(plain.map(({ id }) => id));
  expect(plain.every(({ attention }) => attention === undefined)).toBe(true);
  for (const { attention } of maps) {
    const { frames, side, weights } = attention ?? { frames: 0, side: 0, weights: [] };
    expect([frames, weights.length]).toEqual([1, side * side]);
    expect(weights.every((weight) => weight > 0)).toBe(true);
    expect(weights.reduce((sum, weight) => sum + weight)).toBeLessThan(1 + 1e-4);
  }
});

test("a constraint holds", async () => {
  const [choice, number] = await page.evaluate(async () => {
    const { model, photos } = window;
    const session = model.session();
    const texts: string[] = [];
    for (const constraint of [{ choices: ["a red bus", "two dogs"] }, { regex: "[0-9]{3}!" }]) {
      texts.push((await session.caption(photos[0] ?? new Blob(), { constraint }).result).text);
    }
    return texts;
  });
  expect(["a red bus", "two dogs"]).toContain(choice);
  expect(number).toMatch(/^[0-9]{3}!$/);
});

test("one beam is the greedy text, and several come best first", async () => {
  const { greedy, one, three } = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob()] = photos;
    const session = model.session();
    return {
      greedy: await session.caption(photo, { maxNewTokens: 6 }).result,
      one: await session.beamSearch(photo, { beams: 1, maxNewTokens: 6 }),
      three: await session.beamSearch(photo, { lengthPenalty: 1, maxNewTokens: 6 }),
    };
  });
  expect(one.map(({ tokenIds }) => tokenIds)).toEqual([greedy.tokenIds]);
  const scores = three.map(({ score }) => score);
  expect(scores).toHaveLength(3);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
});

test("examples are read once for all captions", async () => {
  const { first, second, fresh } = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob(), other = new Blob(), example = new Blob()] = photos;
    const shots = [{ image: example, text: "A dog runs through the snow." }];
    const session = model.session({ shots });
    return {
      first: await session.caption(photo).result,
      second: await session.caption(other).result,
      fresh: await model.session({ shots }).caption(other).result,
    };
  });
  expect(first.reusedTokens).toBe(0);
  expect(second.reusedTokens).toBeGreaterThan(5);
  expect(second.tokenIds).toEqual(fresh.tokenIds);
});

test("what is nearest to an image of a support set is itself", async () => {
  const { length, nearest, loaded } = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob()] = photos;
    const set = model.supportSet();
    for (const [i, image] of photos.entries())
      await set.add(image, { image: `${i}`, text: `t${i}` });
    const again = model.supportSet(await set.save());
    const embedding = await model.embed(photo);
    return {
      length: Math.hypot(...embedding),
      nearest: await set.nearest(photo, 2),
      loaded: await again.nearest(photo, 2),
    };
  });
  expect(length).toBeCloseTo(1, 5);
  expect(nearest).toHaveLength(2);
  expect(nearest.at(-1)).toEqual({ index: 0, image: "0", question: "", text: "t0" });
  expect(loaded).toEqual(nearest);
});

test("what cannot be is refused by name, and the model goes on", async () => {
  const errors = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob()] = photos;
    const session = model.session();
    const calls: [string, () => Promise<unknown>][] = [
      ["heat", () => session.caption(photo, { heat: 1 } as object).result],
      ["temperature", () => session.caption(photo, { temperature: "hot" } as object).result],
      ["topP", () => session.caption(photo, { topP: 2 }).result],
      ["seed", () => session.caption(photo, { seed: -1 }).result],
      ["stop", () => session.caption(photo, { stop: [""] }).result],
      ["constraint", () => session.caption(photo, { constraint: { regex: "(" } }).result],
      ["beams", () => session.beamSearch(photo, { beams: 4e9 })],
      ["orders", () => session.choose(photo, ["a"], { orders: 4e9 })],
      ["template", () => model.session({ task: { template: "?" } }).caption(photo).result],
      ["task", () => model.session({ task: "poem" as "caption" }).caption(photo).result],
    ];
    const errors: { name: string; code: unknown; message: string }[] = [];
    for (const [name, call] of calls) {
      const error = await call().catch((error: unknown) => error);
      const { code, message } = error as { code: unknown; message: string };
      errors.push({ name, code, message });
    }
    await session.caption(photo, { alternatives: 4e9, maxNewTokens: 1 }).result;
    return errors;
  });
  for (const { name, code, message } of errors) {
    expect(code, `${name}: ${message}`).toBe("invalid-option");
    expect(message.toLowerCase()).toContain(name.toLowerCase());
  }
});

test("what is kept is listed with its size, and can be removed under a loaded model", async () => {
  const { before, after, tokens } = await page.evaluate(async (url) => {
    const { Flamingo } = window.flamingo;
    const before = await Flamingo.cached();
    await Flamingo.remove(url);
    const after = await Flamingo.cached();
    const { tokenIds } = await window.model.session().caption(window.photos[0] as Blob).result;
    return { before, after, tokens: tokenIds.length };
  }, `/${TINY_MODEL}`);
  expect(before).toEqual([
    {
      name: "Flamingo tiny, random weights",
      licence: before[0]?.licence,
      memoryBytes: before[0]?.memoryBytes,
      heapBytes: before[0]?.heapBytes,
      config: before[0]?.config,
      url: `${server.origin}/${TINY_MODEL}`,
      bytes: before[0]?.totalBytes,
      totalBytes: before[0]?.totalBytes,
    },
  ]);
  expect(before[0]?.totalBytes).toBeGreaterThan(1e6);
  expect(before[0]?.memoryBytes).toBeGreaterThan(1e6);
  expect(before[0]?.heapBytes.cpu).toBeGreaterThan(before[0]?.memoryBytes ?? Number.NaN);
  expect(before[0]?.config).toHaveProperty("cross_attention");
  expect(before[0]?.licence).toContain("Apache-2.0");
  expect(after).toEqual([]);
  expect(tokens).toBeGreaterThan(0);
});

test("frames of a video come in the order of time", async () => {
  const { sizes, colours, place, stopped } = await page.evaluate(async () => {
    const { framesOf } = window.flamingo;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [64, 48];
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("no canvas");
    const fill = (colour: string) => {
      context.fillStyle = colour;
      context.fillRect(0, 0, 64, 48);
    };
    const recorder = new MediaRecorder(canvas.captureStream(25));
    const parts: Blob[] = [];
    const begun = new Promise<void>((resolve) => {
      recorder.ondataavailable = ({ data }) => {
        parts.push(data);
        if (data.size > 0) resolve();
      };
    });
    const ended = new Promise((resolve) => {
      recorder.onstop = resolve;
    });
    const show = async (colour: string, until: () => boolean) => {
      while (!until()) {
        fill(colour);
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
    };
    recorder.start(100);
    // The recording begins when the encoder does, which takes its time on a busy machine.
    let recording = false;
    begun.then(() => {
      recording = true;
    });
    await show("red", () => recording);
    for (const colour of ["red", "blue"]) {
      const end = performance.now() + 900;
      await show(colour, () => performance.now() >= end);
    }
    recorder.stop();
    await ended;
    const video = document.createElement("video");
    video.muted = true;
    video.src = URL.createObjectURL(new Blob(parts, { type: recorder.mimeType }));
    const frames = await framesOf(video, { count: 4 });
    const signal = AbortSignal.abort();
    const error = await framesOf(video, { rate: 1, signal }).catch((error: unknown) => error);
    return {
      sizes: frames.map(({ width, height }) => [width, height]),
      colours: frames.map(({ data }) => ((data[0] ?? 0) > (data[2] ?? 0) ? "red" : "blue")),
      place: video.currentTime,
      stopped: (error as Error).name,
    };
  });
  expect(sizes).toEqual(Array(4).fill([64, 48]));
  expect(colours).toEqual(["red", "red", "blue", "blue"]);
  expect(place).toBe(0);
  expect(stopped).toBe("AbortError");
});

test("frames of a video come whole where its server gives no parts of it", async () => {
  const { colours, sound, tooMany, odd, whole } = await page.evaluate(async () => {
    const { framesOf, timedFramesOf } = window.flamingo;
    /** A video of one second each of red, green and blue. The server knows no ranges. */
    const video = (name: string) => {
      const video = document.createElement("video");
      video.muted = true;
      video.src = `/tests/browser/media/${name}`;
      return video;
    };
    const names = ["red", "green", "blue"];
    const colourOf = ({ data }: ImageData) => {
      const [red = 0, green = 0, blue = 0] = data;
      return names[[red, green, blue].indexOf(Math.max(red, green, blue))];
    };
    const served = video("colours.webm");
    const reasonOf = (sampling: Parameters<typeof framesOf>[1]) =>
      framesOf(served, sampling).then(
        () => "none",
        (error: Error) => error.message,
      );
    const timed = await timedFramesOf(video("long-sound.webm"), { rate: 1 });
    return {
      colours: (await framesOf(served, { count: 3 })).map(colourOf),
      sound: timed.map(({ image, seconds }) => [colourOf(image), seconds < 3]),
      tooMany: [await reasonOf({ count: 257 }), await reasonOf({ rate: 1000 })],
      odd: await Promise.all(
        [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY].map(async (value) => [
          await reasonOf({ count: value }),
          await reasonOf({ rate: value > 1 && value < 2 ? 0 : value }),
          await reasonOf({ count: 1, longestSide: value }),
        ]),
      ),
      whole: await framesOf(served, { count: 1, longestSide: 32 }).then(([frame]) => [
        frame?.width,
        frame?.height,
      ]),
    };
  });
  expect(colours).toEqual(["red", "green", "blue"]);
  // The sound goes on for twelve seconds.
  expect(sound).toEqual([
    ["red", true],
    ["green", true],
    ["blue", true],
  ]);
  expect(tooMany).toEqual([
    "The clip has 257 frames, more than 256; take fewer of them.",
    "The clip has 3000 frames, more than 256; take fewer of them.",
  ]);
  for (const [count, rate, side] of odd) {
    expect(count).toMatch(/^Count is .+, expected a whole number from 1 on\.$/);
    expect(rate).toMatch(/^Rate is .+, expected a number of frames a second above 0\.$/);
    expect(side).toMatch(/^LongestSide is .+, expected a whole number from 1 on\.$/);
  }
  expect(whole).toEqual([32, 24]);
});

test("the pieces of a text are the text, of whole characters, wherever it ends", async () => {
  const texts = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob()] = photos;
    const shots = [{ image: photo, text: "一只猫坐在桌子上" }];
    const session = model.session({ shots });
    const texts: { pieces: string; whole: string }[] = [];
    for (let maxNewTokens = 1; maxNewTokens <= 12; maxNewTokens++) {
      for (const options of [{ seed: 0 }, { temperature: 2, seed: maxNewTokens }]) {
        const stream = session.caption(photo, { ...options, maxNewTokens });
        let pieces = "";
        for await (const { text } of stream) pieces += text;
        texts.push({ pieces: pieces.trim(), whole: (await stream.result).text });
      }
    }
    return texts;
  });
  for (const { pieces, whole } of texts) {
    expect(whole).toBe(pieces);
    expect(whole).not.toContain("\ufffd");
  }
});

test("a text that was cut off says whether it is what was asked for", async () => {
  const met = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob()] = photos;
    const outcomes: unknown[] = [];
    for (const regex of ["a{30}b", "a{3}"]) {
      const { result } = model
        .session()
        .caption(photo, { constraint: { regex }, maxNewTokens: 12 });
      outcomes.push((await result).meetsConstraint);
    }
    outcomes.push((await model.session().caption(photo).result).meetsConstraint);
    return outcomes;
  });
  expect(met).toEqual([false, true, undefined]);
});

test("sessions that are asked at the same time write what each writes alone, in turns", async () => {
  const { together, alone, order } = await page.evaluate(async () => {
    const { model, photos } = window;
    const [photo = new Blob(), other = new Blob(), example = new Blob()] = photos;
    const open = () => [
      model.session(),
      model.session({ shots: [{ image: example, text: "A dog in the snow" }] }),
    ];
    const order: number[] = [];
    const [first, second] = open();
    // The first asks for three texts at once, the second comes later and asks for one.
    const asked = [photo, other, photo].map((image) => ({ session: first, image, who: 1 }));
    const captions = [...asked, { session: second, image: photo, who: 2 }].map(
      async ({ session, image, who }) => {
        const caption = await session?.caption(image, { maxNewTokens: 8 }).result;
        order.push(who);
        return caption?.tokenIds;
      },
    );
    const together = await Promise.all(captions);
    const alone: (readonly number[] | undefined)[] = [];
    const [third, fourth] = open();
    for (const [session, image] of [
      [third, photo],
      [third, other],
      [fourth, photo],
    ] as const) {
      alone.push((await session?.caption(image, { maxNewTokens: 8 }).result)?.tokenIds);
    }
    return { together, alone, order };
  });
  const [photo, other, shown] = alone;
  expect(together).toEqual([photo, other, photo, shown]);
  expect(order.indexOf(2)).toBeLessThan(3);
});

test("what is disposed of gives its memory back, on the heap and on the GPU", async () => {
  const workers = page.workers().length;
  const { cpu, gpu, code } = await page.evaluate(
    async ({ url }) => {
      const { Flamingo, FlamingoError } = window.flamingo;
      const [photo = new Blob(), other = new Blob()] = window.photos;
      /** Memory after each of some sessions that came and went. */
      const sessions = async (model: Package.Flamingo) => {
        const reports: Package.MemoryReport[] = [];
        for (let i = 0; i < 4; i++) {
          const shots = Array.from({ length: 4 }, () => ({ image: other, text: "A dog" }));
          const session = model.session({ shots });
          await session.caption(photo, { maxNewTokens: 4 }).result;
          session.dispose();
          // In turn behind what frees the session.
          await model.embed(photo);
          reports.push(await model.memory());
        }
        return reports;
      };
      const gpuModel = await Flamingo.load(url, { device: "webgpu" });
      const gpu = await sessions(gpuModel);
      gpuModel.dispose();
      const error = await gpuModel.memory().catch((error: unknown) => error);
      const cpu = await sessions(window.model);
      return { cpu, gpu, code: error instanceof FlamingoError ? error.code : "" };
    },
    { url: `/${TINY_MODEL}` },
  );
  const heaps = cpu.map(({ heapBytes }) => heapBytes);
  expect(heaps).toEqual(heaps.map(() => heaps[0]));
  const inUse = gpu.map(({ gpuBytesInUse }) => gpuBytesInUse);
  expect(inUse[0]).toBeGreaterThan(0);
  expect(inUse.slice(1)).toEqual(inUse.slice(1).map(() => inUse[1]));
  // The model's end is its Worker's, with everything in it.
  expect(code).toBe("disposed");
  await expect.poll(() => page.workers().length).toBe(workers);
});
