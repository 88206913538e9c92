import { expect, test } from "vitest";
import { Progress, type ProgressReport } from "./progress.js";

/** A download with a clock of its own. */
function start(total: number, kept: Record<string, number> = {}) {
  const reports: ProgressReport[] = [];
  const clock = { now: 0 };
  const progress = new Progress(
    total,
    new Map(Object.entries(kept)),
    (report) => reports.push(report),
    () => clock.now,
  );
  return { progress, reports, clock, last: () => reports.at(-1) };
}

test("counts to the byte and tells of the last one at once", () => {
  const { progress, reports, clock } = start(10);
  progress.receive("a", 3);
  clock.now += 1;
  progress.receive("a", 4);
  progress.receive("a", 3);
  expect(reports.map(({ loaded }) => loaded)).toEqual([3, 10]);
  expect(reports.at(-1)).toEqual({ file: "a", loaded: 10, total: 10, remainingMs: 0 });
});

test("reports no faster than an eye can follow", () => {
  const { progress, reports, clock } = start(10_000);
  for (let i = 0; i < 1000; i++) {
    progress.receive("a", 1);
    clock.now += 1;
  }
  expect(reports.length).toBeLessThanOrEqual(20);
  expect(reports.length).toBeGreaterThan(10);
});

test("the time left is that of the last seconds' rate, once there is one", () => {
  const { progress, clock, last } = start(100_000);
  for (let i = 0; i < 100; i++) {
    progress.receive("a", 100);
    clock.now += 100;
    if (i === 0) expect(last()?.remainingMs).toBeUndefined();
  }
  // 1,000 bytes a second; 90,000 are left.
  expect(last()?.remainingMs).toBeCloseTo(90_000);
  for (let i = 0; i < 100; i++) {
    progress.receive("a", 200);
    clock.now += 100;
  }
  expect(last()?.remainingMs).toBeCloseTo(35_000);
});

test("what is kept takes no time", () => {
  const { progress, clock, last } = start(3000, { a: 1000, b: 1000 });
  progress.read("a", 1000);
  for (let i = 0; i < 10; i++) {
    clock.now += 100;
    progress.receive("c", 50);
  }
  // 450 bytes in 900 ms after the first, 500 are left: b's are not the network's …
  expect(last()?.remainingMs).toBeCloseTo(1000);
  // … until they turn out to be.
  clock.now += 100;
  progress.receive("b", 50);
  expect(last()?.remainingMs).toBeCloseTo(2900);
});

test("a damaged shard is counted once", () => {
  const { progress, clock, last } = start(3);
  progress.receive("a", 3);
  clock.now += 60;
  progress.receive("a", -3);
  expect(last()?.loaded).toBe(0);
  progress.receive("a", 3);
  expect(last()?.loaded).toBe(3);
});
