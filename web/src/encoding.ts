/** What crosses from the page, put into the module. Every handle made on the way is freed. */

import { decoding } from "./browser-picture.js";
import { throwIfAborted } from "./errors.js";
import { nextTurn } from "./event-loop.js";
import { scaleDown } from "./frame-size.js";
import type { WireImage, WireMedia } from "./media.js";
import type { WirePart, WireShot } from "./protocol.js";
import type { PixelFrame } from "./types.js";
import {
  calling,
  type WasmExamples,
  type WasmFrames,
  type WasmMedia,
  type WasmModel,
  type WasmModule,
  type WasmPrompt,
} from "./wasm.js";

/** A module with a model in it. */
export interface Loaded {
  readonly wasm: WasmModule;
  readonly model: WasmModel;
}

/** Encodes an image or a clip for `use`, and lets go of it afterwards. */
export async function withMedia<T>(
  loaded: Loaded,
  media: WireMedia,
  signal: AbortSignal,
  use: (media: WasmMedia) => T | Promise<T>,
): Promise<T> {
  throwIfAborted(signal);
  const encoded = await encode(loaded, media);
  try {
    await nextTurn();
    throwIfAborted(signal);
    return await use(encoded);
  } finally {
    encoded.free();
  }
}

function encode(loaded: Loaded, media: WireMedia): Promise<WasmMedia> {
  if ("frames" in media) return encodeClip(loaded, media.frames);
  if (!("file" in media)) return encodeClip(loaded, [media]);
  const file = new Uint8Array(media.file);
  return decoding(
    file,
    () => calling(() => loaded.model.encode(file)),
    (pixels) => encodeClip(loaded, [wireOf(pixels)]),
  );
}

/** Encodes frames as one clip; a single frame is an image. */
async function encodeClip(
  { wasm, model }: Loaded,
  images: readonly WireImage[],
): Promise<WasmMedia> {
  const frames = new wasm.Frames(model);
  try {
    for (const image of images) await push(frames, image);
    return await calling(() => model.encodeClip(frames));
  } finally {
    frames.free();
  }
}

async function push(frames: WasmFrames, image: WireImage): Promise<void> {
  if (!("file" in image)) {
    const { rgba, width, height } = image;
    await calling(() => frames.pushPixels(new Uint8Array(rgba), width, height));
    return;
  }
  const file = new Uint8Array(image.file);
  await decoding(
    file,
    () => calling(() => frames.pushFile(file)),
    (pixels) => push(frames, wireOf(scaleDown(pixels))),
  );
}

const wireOf = ({ data, width, height }: PixelFrame): WireImage => ({
  rgba: new Uint8Array(data).buffer,
  width,
  height,
});

/** What an image looks like, as a direction of length 1. */
export function embed({ model }: Loaded, image: WireImage): Promise<Float32Array> {
  const embedPixels = (rgba: Uint8Array, width: number, height: number) =>
    calling(() => model.embedPixels(rgba, width, height));
  if (!("file" in image)) return embedPixels(new Uint8Array(image.rgba), image.width, image.height);
  const file = new Uint8Array(image.file);
  return decoding(
    file,
    () => calling(() => model.embed(file)),
    ({ data, width, height }) => embedPixels(new Uint8Array(data), width, height),
  );
}

/** Examples, each image and clip encoded, for `use`. */
export async function withExamples<T>(
  loaded: Loaded,
  shots: readonly WireShot[],
  signal: AbortSignal,
  use: (examples: WasmExamples) => T | Promise<T>,
): Promise<T> {
  const examples = new loaded.wasm.Examples();
  try {
    for (const { media, question, text } of shots) {
      if (media === undefined) examples.addText(question, text);
      else {
        await withMedia(loaded, media, signal, (seen) => examples.addMedia(seen, question, text));
      }
    }
    return await calling(() => use(examples));
  } finally {
    examples.free();
  }
}

/** A prompt, each image and clip encoded, for `use`. */
export async function withPrompt<T>(
  loaded: Loaded,
  parts: readonly WirePart[],
  signal: AbortSignal,
  use: (prompt: WasmPrompt) => T | Promise<T>,
): Promise<T> {
  const prompt = new loaded.wasm.Prompt();
  try {
    for (const part of parts) {
      if (typeof part === "string") prompt.addText(part);
      else if ("endOfChunk" in part) prompt.addEndOfChunk();
      else await withMedia(loaded, part.media, signal, (seen) => prompt.addMedia(seen));
    }
    return await calling(() => use(prompt));
  } finally {
    prompt.free();
  }
}
