import { expect, test } from "vitest";
import { restAfter } from "./budget.js";

test.each([
  // 20 a minute are one every 3 s.
  [20, 1000, 2000],
  [20, 3000, 0],
  [20, 9000, 0],
  [60, 250, 750],
])("at %d a minute a caption of %d ms is followed by %d ms of rest", (perMinute, took, rest) => {
  expect(restAfter({ kind: "rate", perMinute }, took)).toBe(rest);
});

test.each([
  [1, 2000, 0],
  [0.5, 2000, 2000],
  [0.25, 2000, 6000],
])("at a share of %d a caption of %d ms is followed by %d ms of rest", (share, took, rest) => {
  expect(restAfter({ kind: "share", share }, took)).toBe(rest);
});
