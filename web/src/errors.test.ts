import { expect, test } from "vitest";
import {
  AbortedError,
  brief,
  DeviceLostError,
  DisposedError,
  FlamingoError,
  fromWire,
  HashMismatchError,
  HtmlInsteadOfFileError,
  HttpStatusError,
  ImageError,
  InternalError,
  InvalidModelError,
  ManifestError,
  ModelFileError,
  ModelTooLargeError,
  NetworkError,
  NoWebGpuError,
  OutOfMemoryError,
  PromptTooLongError,
  StartError,
  toWire,
  UnsupportedVersionError,
} from "./errors.js";

test("an error crosses postMessage with class, facts, message and cause", () => {
  const error = new NetworkError(
    { url: "https://a.test/" },
    { cause: new TypeError("Failed to fetch") },
  );
  const arrived = fromWire(structuredClone(toWire(error)));
  expect(arrived).toBeInstanceOf(NetworkError);
  expect(arrived.details).toEqual(error.details);
  expect(arrived.message).toBe(error.message);
  expect(arrived.cause).toBe("Failed to fetch");
});

test("every cause has a class of its own that crosses with its code and its words", () => {
  const errors = [
    new StartError({ reason: "blocked by the policy" }),
    new NoWebGpuError({ reason: "there is no adapter; choose the CPU" }),
    new ModelTooLargeError({ device: "cpu", needed: 8e9, available: 4e9 }),
    new DeviceLostError({ reason: "the GPU was reset; load the model again" }),
    new OutOfMemoryError({ reason: "close other tabs" }),
    new HashMismatchError({ url: "https://a.test/", expected: "a", received: "b" }),
    new HtmlInsteadOfFileError({ url: "https://a.test/" }),
    new UnsupportedVersionError({ url: "https://a.test/", found: 2, supported: 1 }),
    new InvalidModelError({ reason: "not a GGUF file" }),
    new ImageError({ reason: "choose another picture" }),
    new PromptTooLongError({ reason: "use fewer examples" }),
    new DisposedError({ what: "model" }),
  ];
  for (const error of errors) {
    const arrived = fromWire(structuredClone(toWire(error)));
    expect(arrived.constructor).toBe(error.constructor);
    expect(arrived).toMatchObject({ code: error.code, message: error.message });
  }
  expect(new Set(errors.map(({ code }) => code)).size).toBe(errors.length);
});

test("a model that is too large is told with what it takes, what there is and what would do", () => {
  const too = (device: "cpu" | "webgpu") =>
    new ModelTooLargeError({ device, needed: 5.26e9, available: 2 ** 32 }).message;
  for (const fact of ["5.3 GB", "4.3 GB", "on the CPU", "WebGPU", "smaller type", "native program"])
    expect(too("cpu")).toContain(fact);
  expect(too("webgpu")).toContain("largest tensor");
});

test.each([
  () => new ArrayBuffer(Number.MAX_SAFE_INTEGER),
  () => new WebAssembly.Memory({ initial: 1, maximum: 1 }).grow(1),
])("memory that cannot be had is told from a fault (%#)", (exhaust) => {
  const thrown = catchError(exhaust);
  expect(thrown).toBeInstanceOf(RangeError);
  expect(fromWire(thrown)).toBeInstanceOf(OutOfMemoryError);
  expect(toWire(thrown)).toMatchObject({ code: "out-of-memory" });
});

test.each([
  ["an exception of JavaScript", toWire(new RangeError("out of bounds"))],
  ["an unknown code", { code: "toString", details: {} }],
  ["a bare text", "out of bounds"],
  ["nothing", undefined],
])("%s becomes an internal error", (_, wire) => {
  expect(fromWire(wire)).toBeInstanceOf(InternalError);
});

test("an error of this side stays itself", () => {
  const error = new HttpStatusError({ url: "https://a.test/", status: 404 });
  expect(fromWire(error)).toBe(error);
});

test("a reported reason becomes a sentence", () => {
  expect(new ImageError({ reason: "the file is empty" }).message).toBe("The file is empty.");
});

test("an abort has the name the web gives it", () => {
  const error = new AbortedError();
  expect(error).toBeInstanceOf(FlamingoError);
  expect(error.name).toBe("AbortError");
});

function catchError(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("a message has cause and remedy, and never more than is read, whatever was given", () => {
  const long = "x".repeat(100_000);
  const errors = [
    new NetworkError({ url: `data:image/png;base64,${long}` }),
    new HttpStatusError({ url: long, status: 500 }),
    new ManifestError({ url: long, field: long }),
    new ModelFileError({ folder: long, file: long, reason: long }),
    new ImageError({ reason: `the cause ${long}; the remedy` }),
    new InternalError({ reason: long }),
  ];
  for (const error of errors) expect(error.message.length, error.code).toBeLessThan(810);
  const [network, , , , image] = errors;
  expect(network?.message).toMatch(
    /^The connection failed while fetching data:image.{1,200}\. Check the network and try again\.$/,
  );
  expect(image?.message).toMatch(/^The cause x.+x; the remedy\.$/);
  expect(network?.details).toHaveProperty("url.length", long.length + 22);
});

test("a text that is cut is cut between letters", () => {
  expect(brief("🦩".repeat(9), 17)).toBe("🦩🦩🦩🦩 … 🦩🦩🦩🦩");
  expect(brief("🦩".repeat(9), 14)).toBe("🦩🦩🦩 … 🦩🦩🦩");
  expect(brief("flamingo", 8)).toBe("flamingo");
});
