import type { Caption } from "flamingo-web";
import { expect, test } from "vitest";
import type { Budget } from "./budget.js";
import { captionLive, type LiveEvent } from "./live-captioner.js";

const HALF: Budget = { kind: "share", share: 0.5 };

/** Runs the loop over frames of one brightness each, a caption taking a second, until they are used up. */
async function run(frames: readonly number[], budget: (time: number) => Budget = () => HALF) {
  let time = 0;
  let inFlight = 0;
  const left = [...frames];
  const events: LiveEvent<number>[] = [];
  const log: string[] = [];
  const surroundings = {
    frame: () => {
      const image = left.shift();
      if (image === undefined) throw new Error("no more frames");
      log.push(`${time}: looks`);
      return { image, grey: new Uint8Array(4).fill(image) };
    },
    caption: async (image: number) => {
      inFlight += 1;
      expect(inFlight).toBe(1);
      await Promise.resolve();
      time += 1000;
      inFlight -= 1;
      log.push(`${time}: wrote ${image}`);
      return { text: `${image}` } as Caption;
    },
    rest: async (milliseconds: number) => {
      time += milliseconds;
    },
    now: () => time,
  };
  const settings = () => ({ budget: budget(time), threshold: 6 });
  await expect(captionLive(surroundings, settings, (event) => events.push(event))).rejects.toThrow(
    "no more frames",
  );
  return { events, log };
}

test("one frame after the other, with rests that keep the budget", async () => {
  const { log } = await run([10, 50, 90]);
  expect(log).toEqual([
    "0: looks",
    "1000: wrote 10",
    "2000: looks",
    "3000: wrote 50",
    "4000: looks",
    "5000: wrote 90",
  ]);
});

test("frames that hardly changed are skipped, with a short rest each", async () => {
  const { events } = await run([10, 11, 12, 50]);
  expect(events).toMatchObject([
    { kind: "captioned", image: 10, atMs: 0, endMs: 1000 },
    { kind: "skipped", atMs: 2000 },
    { kind: "skipped", atMs: 2250 },
    { kind: "captioned", image: 50, atMs: 2500, endMs: 3500 },
  ]);
});

test("another budget holds from the next rest on", async () => {
  const { log } = await run([10, 50, 90], (time) => ({
    kind: "rate",
    perMinute: time <= 1000 ? 60 : 20,
  }));
  // The first rest was after 60 a minute, the second after 20.
  expect(log.filter((line) => line.endsWith("looks"))).toEqual([
    "0: looks",
    "1000: looks",
    "4000: looks",
  ]);
});
