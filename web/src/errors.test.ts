import { expect, test } from "vitest";
import {
  AbortedError,
  FlamingoError,
  fromWire,
  HttpStatusError,
  ImageError,
  InternalError,
  NetworkError,
  toWire,
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
