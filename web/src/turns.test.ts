import { expect, test } from "vitest";
import { Turns } from "./turns.js";

const pause = () => new Promise((resolve) => setTimeout(resolve, 1));

test("each waits for the one before, also where that fails", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const first = turns.take("a", async () => {
    log.push("first begins");
    await pause();
    log.push("first fails");
    throw new Error("first");
  });
  const second = turns.take("a", async () => {
    log.push("second begins");
    return 2;
  });
  await expect(first).rejects.toThrow("first");
  expect(await second).toBe(2);
  expect(log).toEqual(["first begins", "first fails", "second begins"]);
  // It goes on after a rest.
  expect(await turns.take("a", async () => 3)).toBe(3);
});

test("who asks for much does not keep the others waiting", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const ask = (line: string, name: string) =>
    turns.take(line, async () => {
      log.push(name);
      await pause();
    });
  const many = [1, 2, 3, 4].map((i) => ask("a", `a${i}`));
  // Asked for while the first is under way.
  const others = [ask("b", "b1"), ask("b", "b2"), ask("c", "c1")];
  await Promise.all([...many, ...others]);
  expect(log).toEqual(["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
});

test("never two at once, and each line keeps its order", async () => {
  const turns = new Turns();
  const log: string[] = [];
  let running = 0;
  const asked = Array.from({ length: 30 }, (_, i) =>
    turns.take(`${i % 4}`, async () => {
      running += 1;
      expect(running).toBe(1);
      await pause();
      running -= 1;
      log.push(`${i % 4} ${i}`);
    }),
  );
  await Promise.all(asked);
  for (const line of ["0", "1", "2", "3"]) {
    const ids = log.filter((entry) => entry[0] === line).map((entry) => Number(entry.slice(2)));
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
  }
});
