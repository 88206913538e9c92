import { expect, test } from "vitest";
import { ChangeDetector, greyOf, meanAbsoluteDifference } from "./change-detector.js";

const plain = (brightness: number) => new Uint8Array(12).fill(brightness);

test("colours become brightness, and alpha is nothing", () => {
  const rgba = [255, 255, 255, 0, 0, 0, 0, 255, 255, 0, 0, 9, 0, 255, 0, 9, 0, 0, 255, 9];
  expect([...greyOf(Uint8ClampedArray.from(rgba))]).toEqual([255, 0, 76, 150, 29]);
});

test("brighter and darker places do not make up for each other", () => {
  expect(meanAbsoluteDifference(Uint8Array.of(10, 20), Uint8Array.of(14, 14))).toBe(5);
});

test("the first frame is new; one like it is not, whatever its place", () => {
  const detector = new ChangeDetector();
  expect(detector.isNew(plain(100), 6)).toBe(true);
  expect(detector.isNew(plain(100), 6)).toBe(false);
  expect(detector.isNew(plain(105), 6)).toBe(false);
  expect(detector.isNew(plain(106), 6)).toBe(true);
});

test("what creeps in is noticed once it is enough", () => {
  const detector = new ChangeDetector();
  const found = [0, 2, 4, 6, 8, 10, 12].map((step) => detector.isNew(plain(100 + step), 6));
  expect(found).toEqual([true, false, false, true, false, false, true]);
});

test("at a threshold of nothing every frame is new", () => {
  const detector = new ChangeDetector();
  expect([1, 1, 1].map((grey) => detector.isNew(plain(grey), 0))).toEqual([true, true, true]);
});
