import { expect, test } from "vitest";
import { RateMeter } from "./rate-meter.js";

test("nothing was written when nothing has begun", () => {
  const meter = new RateMeter(500);
  expect(meter.perMinute(500)).toBe(0);
  expect(meter.share(500)).toBe(0);
});

test("within the first minute the time since the start counts", () => {
  const meter = new RateMeter(1000);
  meter.add(1000, 4000);
  meter.add(7000, 10_000);
  expect(meter.perMinute(13_000)).toBe(10);
  expect(meter.share(13_000)).toBe(0.5);
});

test("later the last minute does, and captions before it are forgotten", () => {
  const meter = new RateMeter(0);
  meter.add(0, 10_000);
  meter.add(95_000, 105_000);
  meter.add(120_000, 130_000);
  // Of the one that began before the minute, only the part within it took its time.
  expect(meter.perMinute(160_000)).toBe(2);
  expect(meter.share(160_000)).toBeCloseTo(15 / 60);
});
