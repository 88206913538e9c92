import { expect, test } from "vitest";
import { Turns } from "./turns.js";

test("each waits for the one before, also where that fails", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const pause = () => new Promise((resolve) => setTimeout(resolve, 1));
  const first = turns.take(async () => {
    log.push("first begins");
    await pause();
    log.push("first fails");
    throw new Error("first");
  });
  const second = turns.take(async () => {
    log.push("second begins");
    return 2;
  });
  await expect(first).rejects.toThrow("first");
  expect(await second).toBe(2);
  expect(log).toEqual(["first begins", "first fails", "second begins"]);
});
