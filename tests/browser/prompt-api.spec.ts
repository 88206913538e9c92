/** The Prompt API, as code for the built-in one uses it, with the tiny model in Chromium. */

import { fileURLToPath } from "node:url";
import { expect, type Page, test } from "@playwright/test";
import { PHOTOS } from "./fixtures.js";
import { nativeCaptions } from "./native.js";
import { type PackageServer, pathInClone, serveFolder } from "./package-server.js";

const PAGE = `<!doctype html><link rel="icon" href="data:," /><body><canvas></canvas>
<svg width="64" height="48"></svg>
<script type="module">
  import { install } from "/web/dist/prompt-api.js";
  delete globalThis.LanguageModel;
  install({ model: "/models/tiny/model.json", device: "cpu", maxNewTokens: 40 });
  globalThis.ready = true;
</script>`;

let server: PackageServer;
/** Of another origin. */
let stranger: PackageServer;
const [PHOTO = ""] = PHOTOS;
const photo = pathInClone(PHOTO);

test.beforeAll(async () => {
  const clone = fileURLToPath(new URL("../..", import.meta.url));
  server = await serveFolder(clone, { "/prompt": PAGE });
  stranger = await serveFolder(clone);
});

test.afterAll(() => Promise.all([server.close(), stranger.close()]));

test.beforeEach(async ({ page }) => {
  await page.goto(`${server.origin}/prompt`);
  await page.waitForFunction(() => "ready" in globalThis, undefined, { timeout: 10_000 });
});

/** The browser's types do not know of it. */
declare const LanguageModel: {
  // biome-ignore lint/suspicious/noExplicitAny: the page's code is untyped, as others write it.
  create(options?: object): Promise<any>;
  availability(options?: object): Promise<string>;
};

test("a picture is captioned as the program captions it, and again behind examples", async ({
  page,
}) => {
  const [native] = await nativeCaptions("models/tiny/model.json", [PHOTO]);
  const found = await page.evaluate(async (photo) => {
    const options = { expectedInputs: [{ type: "image" }] };
    const before = await LanguageModel.availability(options);
    const heard: number[] = [];
    const session = await LanguageModel.create({
      ...options,
      monitor(m: EventTarget) {
        m.addEventListener("downloadprogress", (event) => {
          heard.push((event as ProgressEvent).loaded);
        });
      },
    });
    const after = await LanguageModel.availability(options);
    const value = await (await fetch(photo)).blob();
    const message = { role: "user", content: [{ type: "image", value }] };
    const caption = await session.prompt([message]);
    const usage = session.contextUsage;
    let streamed = "";
    const shots = await LanguageModel.create({
      ...options,
      initialPrompts: [
        message,
        { role: "assistant", content: "a red bicycle" },
        { role: "user", content: [{ type: "image", value: await value.arrayBuffer() }] },
        { role: "assistant", content: "a blue bicycle" },
      ],
    });
    for await (const piece of shots.promptStreaming([message])) streamed += piece;
    const clone = await shots.clone();
    await clone.prompt("And what else?");
    return {
      states: [before, after],
      heard,
      caption,
      usage,
      window: session.contextWindow,
      streamed,
      usages: [shots.contextUsage, clone.contextUsage],
    };
  }, photo);
  expect(found.states).toEqual(["downloadable", "available"]);
  expect([found.heard[0], found.heard.at(-1)]).toEqual([0, 1]);
  expect(found.heard).toEqual([...found.heard].sort((a, b) => a - b));
  expect(found.caption).toBe(native?.text);
  // The model reads 2048 tokens, 40 of which are kept for the answer.
  expect(found.window).toBe(2008);
  expect(found.usage).toBeGreaterThan(3);
  expect(found.streamed).not.toBe("");
  expect(found.usages[1]).toBeGreaterThan(found.usages[0] ?? 0);
});

test("every kind of picture is read, as it is at that moment", async ({ page }) => {
  const captions = await page.evaluate(async (photo) => {
    const blob = await (await fetch(photo)).blob();
    const bitmap = await createImageBitmap(blob);
    const { width, height } = bitmap;
    const img = new Image();
    img.src = photo;
    const canvas = document.querySelector("canvas") as HTMLCanvasElement;
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    context.drawImage(bitmap, 0, 0);
    const offscreen = new OffscreenCanvas(width, height);
    offscreen.getContext("2d")?.drawImage(bitmap, 0, 0);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "image");
    svg.setAttribute("href", photo);
    svg.setAttribute("width", `${width}`);
    svg.setAttribute("height", `${height}`);
    const loaded = new Promise((resolve) => svg.addEventListener("load", resolve));
    document.querySelector("svg")?.append(svg);
    await loaded;
    const buffer = await blob.arrayBuffer();
    const padded = new Uint8Array(buffer.byteLength + 256);
    padded.set(new Uint8Array(buffer), 256);
    const kinds: Record<string, () => unknown> = {
      blob: () => blob,
      ArrayBuffer: () => buffer,
      DataView: () => new DataView(buffer),
      "view with an offset": () => padded.subarray(256),
      // It may not have loaded by now.
      img: () => img,
      ImageBitmap: () => bitmap,
      ImageData: () => context.getImageData(0, 0, width, height),
      VideoFrame: () => new VideoFrame(bitmap, { timestamp: 1 }),
      OffscreenCanvas: () => offscreen,
      SVGImageElement: () => svg,
      canvas: () => canvas,
    };
    const session = await LanguageModel.create({ expectedInputs: [{ type: "image" }] });
    const captions: Record<string, string> = {};
    for (const [kind, make] of Object.entries(kinds)) {
      const value = make();
      const fresh = await session.clone();
      const answer = fresh.prompt([{ role: "user", content: [{ type: "image", value }] }]);
      if (value instanceof VideoFrame) value.close();
      if (value === canvas) context.clearRect(0, 0, width, height);
      captions[kind] = await answer;
      fresh.destroy();
    }
    return captions;
  }, photo);
  const { blob } = captions;
  expect(blob).not.toBe("");
  expect(captions).toEqual(Object.fromEntries(Object.keys(captions).map((kind) => [kind, blob])));
});

test("a video is the frame that it shows", async ({ page }) => {
  const found = await page.evaluate(async () => {
    const video = document.createElement("video");
    const session = await LanguageModel.create({ expectedInputs: [{ type: "image" }] });
    const ask = () =>
      session.prompt([{ role: "user", content: [{ type: "image", value: video }] }]);
    const early = await ask().catch(({ name }: Error) => name);
    video.src = "/tests/browser/media/colours.webm";
    await new Promise((resolve) => video.addEventListener("loadeddata", resolve));
    return { early, text: await ask() };
  });
  expect(found.early).toBe("InvalidStateError");
  expect(found.text).not.toBe("");
});

const nameOf = (page: Page, what: string) =>
  page.evaluate(
    async ([what, foreign]) => {
      const session = await LanguageModel.create({ expectedInputs: [{ type: "image" }] });
      const image = (value: unknown) => [{ role: "user", content: [{ type: "image", value }] }];
      const empty = () => Object.assign(document.createElement("canvas"), { width: 0 });
      const broken = Object.assign(new Image(), { src: "/nothing.png" });
      const calls: Record<string, () => Promise<unknown>> = {
        bytes: () => session.prompt(image(Uint8Array.of(1, 2, 3))),
        canvas: () => session.prompt(image(empty())),
        img: () => session.prompt(image(broken)),
        foreign: () => session.prompt(image(Object.assign(new Image(), { src: foreign }))),
        pattern: () => session.prompt("a", { responseConstraint: /(?=a)b/ }),
        quota: () => session.prompt("word ".repeat(5000)),
        examples: () =>
          LanguageModel.create({
            expectedInputs: [{ type: "image" }],
            initialPrompts: [
              ...image(Uint8Array.of(1, 2, 3)),
              { role: "assistant", content: "a dog" },
            ],
          }),
      };
      return calls[what ?? ""]?.().then(
        () => "no error",
        (error: unknown) => (error instanceof DOMException ? error.name : `${error}`),
      );
    },
    [what, stranger.origin + photo],
  );

test("what cannot be read is told by name", async ({ page }) => {
  for (const [what, name] of [
    ["bytes", "InvalidStateError"],
    ["canvas", "InvalidStateError"],
    ["img", "InvalidStateError"],
    ["foreign", "SecurityError"],
    ["pattern", "NotSupportedError"],
    ["quota", "QuotaExceededError"],
    ["examples", "InvalidStateError"],
  ] as const) {
    expect(await nameOf(page, what), what).toBe(name);
  }
});

test("an answer matches its pattern, anchors and flags included", async ({ page }) => {
  const answers = await page.evaluate(async () => {
    const session = await LanguageModel.create();
    const answers: string[] = [];
    for (const responseConstraint of [/^(yes|no)$/, /[0-9]{4}-[0-9]{2}/, /^(ja|nein)$/i]) {
      answers.push(await session.prompt("Is it?", { responseConstraint }));
    }
    return answers;
  });
  expect(answers).toEqual([
    expect.stringMatching(/^(yes|no)$/),
    expect.stringMatching(/^[0-9]{4}-[0-9]{2}$/),
    expect.stringMatching(/^(ja|nein)$/i),
  ]);
});
