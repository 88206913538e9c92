import { expect, test } from "vitest";
import { AbortedError, DisposedError, InvalidOptionError, SupportSetError } from "./errors.js";
import { SupportSet } from "./support-set.js";
import { hostOf, joinLoaded } from "./testing/fake-worker.js";

const photo = Uint8Array.of(7);

test("an image goes in by what it looks like and comes out as its text", async () => {
  const { connection } = await joinLoaded();
  const set = new SupportSet(hostOf(connection), 1, undefined);
  await set.add(photo, { image: "cat.jpg", text: "a cat" });
  await set.add(
    { data: Uint8Array.of(1, 2, 3, 4), width: 1, height: 1 },
    {
      image: "dot.png",
      question: "what?",
      text: "a dot",
    },
  );
  expect(await set.nearest(photo, 2)).toEqual([
    { index: 0, image: "cat.jpg@7", question: "", text: "a cat" },
    { index: 1, image: "dot.png@1 2 3 4", question: "what?", text: "a dot" },
  ]);
  expect(await set.save()).toEqual(Uint8Array.of(70, 2));
});

test("saved bytes make a set again, and others an error where it is used", async () => {
  const { connection } = await joinLoaded();
  const saved = Uint8Array.of(70);
  await new SupportSet(hostOf(connection), 1, saved).opened;
  expect(saved.length).toBe(1);
  const bad = new SupportSet(hostOf(connection), 2, Uint8Array.of(0));
  await expect(bad.nearest(photo, 1)).rejects.toBeInstanceOf(SupportSetError);
});

test("a signal stops it, and a disposed set is gone", async () => {
  const { wasm, connection } = await joinLoaded();
  const set = new SupportSet(hostOf(connection), 1, undefined);
  const signal = AbortSignal.abort();
  await expect(set.nearest(photo, 1, { signal })).rejects.toBeInstanceOf(AbortedError);
  set.dispose();
  await expect(set.save()).rejects.toBeInstanceOf(DisposedError);
  expect([...wasm.alive].map((name) => name.replace(/ \d+$/, ""))).toEqual(["model"]);
});

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
  "%d examples cannot be asked for",
  async (count) => {
    const { connection } = await joinLoaded();
    const set = new SupportSet(hostOf(connection), 1, undefined);
    await expect(set.nearest(photo, count)).rejects.toBeInstanceOf(InvalidOptionError);
  },
);
