/**
 * What a model takes on the heap and on the GPU, as `model.memory()` tells it, against the bars.
 *
 * Usage: npm run memory -- [--only TEXT] [--model tiny] [--docs]
 */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type * as Package from "../../../../web/dist/index.js";
import { Conditions } from "../../conditions.js";
import { fillIn } from "../../document.js";
import { markdown, megabytes } from "../../table.js";
import { inClone, MODELS, type ModelName, NAMES, serveSite, withChromium } from "./site.js";

const MIB = 2 ** 20;

/** Examples of the longest prompt. */
const SHOTS = 8;

/** A photo as cameras take them, made on a canvas. */
const PHOTO = { width: 4000, height: 3000 };

/** Rows by which keys and values grow: see `KeyValueBuffer`. */
const PAGE_ROWS = 256;

const RUNS = [
  { name: "memory, WebGPU", device: "webgpu", isolated: true },
  { name: "memory, CPU", device: "cpu", isolated: true },
] as const;

/** After a step. */
interface Moment extends Package.MemoryReport {
  readonly step: string;
  /** Of the longest prompt until then. */
  readonly promptTokens: number;
  /** In the prompt that the session keeps. */
  readonly images: number;
}

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    model: { type: "string", default: "default" },
    docs: { type: "boolean", default: false },
  },
});

await withChromium(async (browser) => {
  const address = MODELS[values.model as ModelName];
  for (const { name, device, isolated } of RUNS.filter(({ name }) => name.includes(values.only))) {
    const conditions = await Conditions.look(browser.version());
    const server = await serveSite(isolated);
    const page = await browser.newPage();
    await page.addInitScript(NAMES);
    await page.goto(`${server.origin}/tab/`);
    const moments = await page.evaluate(follow, {
      url: `/${address}`,
      device,
      photo: PHOTO,
      shots: SHOTS,
    });
    await page.close();
    server.close();
    const text = `${table(moments, device, bars(address))}\n${conditions.told("one run")}\n`;
    console.log(`### ${name}\n\n${text}`);
    if (values.docs) fillIn(name, text);
  }
});

/** In the page: loads the model, captions, and asks for the memory after each step. */
async function follow({
  url,
  device,
  photo: { width, height },
  shots,
}: {
  readonly url: string;
  readonly device: "cpu" | "webgpu";
  readonly photo: { readonly width: number; readonly height: number };
  readonly shots: number;
}): Promise<Moment[]> {
  const { Flamingo }: typeof Package = await import(
    /* @vite-ignore */ `${location.origin}/web/dist/index.js`
  );
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas");
  const picture = (hue: number) => {
    context.fillStyle = `hsl(${hue}deg 60% 50%)`;
    context.fillRect(0, 0, width, height);
    return canvas.convertToBlob({ type: "image/jpeg" });
  };
  const options = { maxNewTokens: 4 };
  const model = await Flamingo.load(url, { device });
  const moments: Moment[] = [];
  const note = async (step: string, promptTokens: number, images: number) => {
    moments.push({ step, promptTokens, images, ...(await model.memory()) });
  };
  await note("loaded", 0, 0);
  const small = { data: new Uint8Array(256 * 256 * 4).fill(99), width: 256, height: 256 };
  const bare = model.session();
  await bare.caption(small, options).result;
  await note("a caption", await bare.countTokens([{ image: small }, "Output:"]), 1);
  bare.dispose();
  const text = "A brown dog runs through the grass with a red ball";
  const examples = await Promise.all(
    Array.from({ length: shots }, async (_, i) => ({ image: await picture(40 * i), text })),
  );
  const session = model.session({ shots: examples });
  await session.caption(await picture(350), options).result;
  const prompt = examples.flatMap(({ image }) => [{ image }, `Output:${text}`]);
  const promptTokens = await session.countTokens(prompt);
  const megapixels = (width * height) / 1e6;
  await note(
    `a caption, ${shots} examples, photos of ${megapixels} megapixels`,
    promptTokens,
    shots + 1,
  );
  model.dispose();
  return moments;
}

/** What the bars are made of. */
interface Bars {
  readonly largestTensor: number;
  /** Keys and values of so many tokens and images. */
  keyValueBytes(tokens: number, images: number): number;
}

function bars(model: string): Bars {
  const { config, required_gpu_limits } = JSON.parse(readFileSync(inClone(model), "utf8"));
  const { language, cross_attention, resampler } = config;
  const { layers, kv_heads, head_dim } = language;
  const blocks = Math.floor((layers - cross_attention.offset - 1) / cross_attention.every) + 1;
  const row = 2 * 4;
  return {
    largestTensor: required_gpu_limits.max_storage_buffer_binding_size,
    keyValueBytes: (tokens, images) => {
      const rows = Math.max(1, Math.ceil(tokens / PAGE_ROWS)) * PAGE_ROWS;
      return (
        row * layers * kv_heads * head_dim * rows +
        row * blocks * cross_attention.heads * cross_attention.head_dim * resampler.latents * images
      );
    },
  };
}

function table(moments: readonly Moment[], device: "cpu" | "webgpu", bars: Bars): string {
  // Red, green, blue and what the decoder holds beside: the photo counts as it is decoded.
  const photo = PHOTO.width * PHOTO.height * 3;
  const onGpu = device === "webgpu";
  const head = ["after", "heap", "heap's bar", "weights"];
  if (onGpu) head.push("keys and values", "GPU in use", "GPU reserved", "bar of both");
  const rows = moments.map(({ step, promptTokens, images, ...memory }) => {
    const decoded = images > 1 ? photo : 0;
    const heapBar = onGpu
      ? 64 * MIB + Math.max(bars.largestTensor, decoded)
      : 1.15 * memory.weightBytes + 64 * MIB;
    const row = [
      step,
      megabytes(memory.heapBytes),
      megabytes(heapBar),
      megabytes(memory.weightBytes),
    ];
    if (!onGpu) return row;
    const keyValues = images === 0 ? 0 : bars.keyValueBytes(promptTokens, images);
    return [
      ...row,
      megabytes(keyValues),
      megabytes(memory.gpuBytesInUse),
      megabytes(memory.gpuBytesReserved),
      megabytes(1.15 * memory.weightBytes + keyValues),
    ];
  });
  return markdown(head, rows);
}
