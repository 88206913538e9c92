import { afterEach, expect, test, vi } from "vitest";
import { decoding } from "./browser-picture.js";
import { DeviceError, ImageError } from "./errors.js";

afterEach(() => vi.unstubAllGlobals());

const AVIF = Uint8Array.of(0, 0, 0, 32, ...new TextEncoder().encode("ftypavif"));
const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47);

/** A browser that decodes whatever it is given into a picture of this size. */
function withDecoder(width: number, height: number) {
  const close = vi.fn();
  const calls: string[] = [];
  vi.stubGlobal("createImageBitmap", async () => ({ width, height, close }));
  vi.stubGlobal(
    "OffscreenCanvas",
    class {
      getContext() {
        return {
          fillRect: () => calls.push("white"),
          drawImage: () => calls.push("picture"),
          getImageData: () => ({ data: new Uint8ClampedArray(4 * width * height), width, height }),
        };
      }
    },
  );
  return { close, calls };
}

const refused = () => {
  throw new ImageError({ reason: "AVIF images are not read here" });
};

test("what the module reads, the browser is not asked for", async () => {
  const byBrowser = vi.fn();
  expect(await decoding(AVIF, () => "module", byBrowser)).toBe("module");
  expect(byBrowser).not.toHaveBeenCalled();
});

test("what the module does not know, the browser reads, on white", async () => {
  const { close, calls } = withDecoder(2, 1);
  const size = await decoding(AVIF, refused, ({ width, height }) => [width, height]);
  expect(size).toEqual([2, 1]);
  expect(calls).toEqual(["white", "picture"]);
  expect(close).toHaveBeenCalledOnce();
});

test("the module has the last word on its own formats, and where the browser has none", async () => {
  withDecoder(2, 1);
  await expect(decoding(PNG, refused, () => "browser")).rejects.toBeInstanceOf(ImageError);
  vi.stubGlobal("createImageBitmap", () =>
    Promise.reject(new DOMException("", "InvalidStateError")),
  );
  await expect(decoding(AVIF, refused, () => "browser")).rejects.toThrow(
    "AVIF images are not read",
  );
  vi.unstubAllGlobals();
  await expect(decoding(AVIF, refused, () => "browser")).rejects.toThrow(
    "AVIF images are not read",
  );
});

test("what is no fault of the picture is not tried again", async () => {
  withDecoder(2, 1);
  const lost = () => Promise.reject(new DeviceError({ reason: "lost" }));
  await expect(decoding(AVIF, lost, () => "browser")).rejects.toBeInstanceOf(DeviceError);
});

test.each([
  [10_000, 10_000],
  [70_000, 1],
])("a picture of %i × %i pixels is refused before it is drawn", async (width, height) => {
  const { close, calls } = withDecoder(width, height);
  await expect(decoding(AVIF, refused, () => "browser")).rejects.toThrow(
    `The picture has ${width}×${height} pixels, more than 50 megapixels or 65535 on a side; scale it down first.`,
  );
  expect(calls).toEqual([]);
  expect(close).toHaveBeenCalledOnce();
});
