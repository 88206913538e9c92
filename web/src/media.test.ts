import { expect, test } from "vitest";
import { ImageError, InvalidOptionError } from "./errors.js";
import { LONGEST_SIDE, MAX_FRAMES } from "./frame-size.js";
import { imageToWire, mediaToWire } from "./media.js";
import type { PixelFrame } from "./types.js";

/** A frame of one colour. */
function frame(width: number, height: number, pixel: readonly number[]): PixelFrame {
  const [packed = 0] = new Uint32Array(Uint8Array.from(pixel).buffer);
  return {
    data: new Uint8Array(new Uint32Array(width * height).fill(packed).buffer),
    width,
    height,
  };
}

test("an image crosses as it is, in a copy", async () => {
  const picture = frame(2000, 1, [1, 2, 3, 4]);
  const wire = imageToWire(picture);
  (picture.data as Uint8Array).fill(9);
  expect(await wire).toEqual({
    rgba: frame(2000, 1, [1, 2, 3, 4]).data.buffer,
    width: 2000,
    height: 1,
  });
  expect(await imageToWire(Uint8Array.of(1, 2))).toEqual({ file: Uint8Array.of(1, 2).buffer });
});

test("frames of a clip cross no larger than is of use, on white", async () => {
  const wire = await mediaToWire({
    frames: [
      frame(1920, 1080, [0, 0, 0, 0]),
      frame(1080, 1920, [0, 0, 0, 128]),
      frame(64, 48, [5, 6, 7, 0]),
    ],
  });
  if (!("frames" in wire)) throw new Error("no clip");
  const seen = wire.frames.map((image) => {
    if (!("rgba" in image)) throw new Error("no pixels");
    return [image.width, image.height, ...new Uint8Array(image.rgba).slice(0, 4)];
  });
  expect(seen).toEqual([
    [LONGEST_SIDE, 360, 255, 255, 255, 255],
    [360, LONGEST_SIDE, 127, 127, 127, 255],
    // What is small enough already stays as it is: the module lays it on white.
    [64, 48, 5, 6, 7, 0],
  ]);
});

test("a frame with other pixels than its size says is refused", async () => {
  for (const bytes of [0, 4 * 64 * 48 - 1, 4 * 64 * 48 + 4]) {
    const crossing = mediaToWire({
      frames: [{ data: new Uint8Array(bytes), width: 64, height: 48 }],
    });
    await expect(crossing).rejects.toBeInstanceOf(ImageError);
  }
});

test("a pixel of a smaller frame is the mean of those in its place", async () => {
  const [width, height] = [2 * LONGEST_SIDE, 2];
  const data = Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) => {
    const x = (i >> 2) % width;
    return i % 4 === 3 ? 255 : (x % 2) * 100 + (x < width / 2 ? 0 : 50);
  });
  const wire = await mediaToWire({ frames: [{ data, width, height }] });
  const [first] = "frames" in wire ? wire.frames : [];
  if (first === undefined || !("rgba" in first)) throw new Error("no pixels");
  const pixels = new Uint8Array(first.rgba);
  expect([first.width, first.height]).toEqual([LONGEST_SIDE, 1]);
  expect([pixels[0], pixels[3], pixels.at(-2)]).toEqual([50, 255, 100]);
});

test("a clip of too many frames is refused before one is read", async () => {
  const frames = Array.from({ length: MAX_FRAMES + 1 }, () => new Blob());
  const crossing = mediaToWire({ frames });
  await expect(crossing).rejects.toBeInstanceOf(InvalidOptionError);
  await expect(crossing).rejects.toThrow("257 frames, more than 256");
  expect(await mediaToWire({ frames: frames.slice(1) })).toHaveProperty(
    "frames.length",
    MAX_FRAMES,
  );
});

test.each<[string, number, number, unknown]>([
  ["of another number", 2, 2, new Uint8Array(15)],
  ["of no number", Number.NaN, 2, new Uint8Array()],
  ["of a negative number", -1, -1, new Uint8Array(4)],
  ["of part of a pixel", 0.5, 2, new Uint8Array(4)],
  ["of none", 0, 0, new Uint8Array()],
  ["of half floats", 1, 1, new Uint16Array(4)],
])("pixels %s are refused", async (_, width, height, data) => {
  const image = { data, width, height } as PixelFrame;
  await expect(imageToWire(image)).rejects.toBeInstanceOf(ImageError);
  await expect(mediaToWire({ frames: [image] })).rejects.toBeInstanceOf(ImageError);
});

test("a file that has gone, or is longer than any picture, is told", async () => {
  class Gone extends Blob {
    override arrayBuffer(): Promise<ArrayBuffer> {
      return Promise.reject(
        new DOMException("A requested file could not be found.", "NotFoundError"),
      );
    }
  }
  await expect(imageToWire(new Gone())).rejects.toThrow(
    "The file can no longer be read (A requested file could not be found.); choose it anew.",
  );
  class Long extends Gone {
    override get size(): number {
      return 9e9;
    }
  }
  await expect(imageToWire(new Long())).rejects.toThrow("The file has 9000 MB");
});
