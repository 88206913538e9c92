import { expect, test } from "vitest";
import { clipTime, MAX_FRAMES, picturePlaces } from "./sampling.js";

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
