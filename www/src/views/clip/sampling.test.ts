import { expect, test } from "vitest";
import {
  clipTime,
  frameCount,
  frameTimes,
  MAX_FRAMES,
  picturePlaces,
  type Sampling,
} from "./sampling.js";

test.each<[Sampling, number, number]>([
  [{ kind: "count", count: 8 }, 3, 8],
  [{ kind: "rate", rate: 1 }, 5.4, 5],
  [{ kind: "rate", rate: 2 }, 5.4, 11],
  // At least one, and no more than the machine can take.
  [{ kind: "rate", rate: 0.5 }, 0.4, 1],
  [{ kind: "rate", rate: 1 }, 3600, MAX_FRAMES],
])("%j of %d s are %d frames", (sampling, seconds, count) => {
  expect(frameCount(sampling, seconds)).toBe(count);
});

test("frames lie in the middle of their shares", () => {
  expect(frameTimes(4, 8)).toEqual([1, 3, 5, 7]);
  expect(frameTimes(1, 3)).toEqual([1.5]);
});

test.each([
  [0, "0:00.0"],
  [3.456, "0:03.5"],
  [59.96, "1:00.0"],
  [125.04, "2:05.0"],
])("%d s are written %s", (seconds, text) => {
  expect(clipTime(seconds)).toBe(text);
});

test("of pictures all are taken, or some from over their whole length", () => {
  expect(picturePlaces({ kind: "rate", rate: 1 }, 3)).toEqual([0, 1, 2]);
  expect(picturePlaces({ kind: "count", count: 8 }, 3)).toEqual([0, 1, 2]);
  expect(picturePlaces({ kind: "count", count: 3 }, 12)).toEqual([2, 6, 10]);
  expect(picturePlaces({ kind: "rate", rate: 1 }, 1000)).toHaveLength(MAX_FRAMES);
});
