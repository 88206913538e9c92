/** What crosses from the page, put into the module. Every handle made on the way is freed. */

import { throwIfAborted } from "./errors.js";
import { nextTurn } from "./event-loop.js";
import type { WireImage, WireMedia } from "./media.js";
import type { WirePart, WireShot } from "./protocol.js";
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

async function encode({ wasm, model }: Loaded, media: WireMedia): Promise<WasmMedia> {
  if ("file" in media) return calling(() => model.encode(new Uint8Array(media.file)));
  const frames = new wasm.Frames();
  try {
    for (const frame of "frames" in media ? media.frames : [media]) {
      await calling(() => push(frames, frame));
    }
    return await calling(() => model.encodeClip(frames));
  } finally {
    frames.free();
  }
}

function push(frames: WasmFrames, frame: WireImage): void {
  if ("file" in frame) frames.pushFile(new Uint8Array(frame.file));
  else frames.pushPixels(new Uint8Array(frame.rgba), frame.width, frame.height);
}

/** What an image looks like, as a direction of length 1. */
export function embed({ model }: Loaded, image: WireImage): Promise<Float32Array> {
  return calling(() =>
    "file" in image
      ? model.embed(new Uint8Array(image.file))
      : model.embedPixels(new Uint8Array(image.rgba), image.width, image.height),
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
