import { expect, test } from "vitest";
import type { Flamingo, LoadOptions } from "./flamingo.js";
import { ModelShare } from "./model-share.js";
import type { LoadEvent } from "./types.js";

interface FakeLoad {
  readonly url: string;
  readonly options: LoadOptions;
  readonly finish: () => void;
  readonly fail: (error: Error) => void;
  disposed: boolean;
}

/** A share whose models come when the test says so. */
function start() {
  const loads: FakeLoad[] = [];
  const share = new ModelShare((url, options) => {
    const { promise, resolve, reject } = resolvers<Flamingo>();
    const load: FakeLoad = {
      url,
      options,
      disposed: false,
      finish: () => resolve({ dispose: () => (load.disposed = true) } as unknown as Flamingo),
      fail: reject,
    };
    loads.push(load);
    return promise;
  });
  return { share, loads };
}

function resolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

const ignore = () => {};
const turn = () => new Promise((resolve) => setTimeout(resolve));

test("two who ask for one model get one, and each device has its own", async () => {
  const { share, loads } = start();
  const [first, second] = [share.take("a", "cpu", ignore), share.take("a", "cpu", ignore)];
  share.take("a", "webgpu", ignore);
  share.take("b", "cpu", ignore);
  expect(loads.map(({ url, options }) => `${url} ${options.device}`)).toEqual([
    "a cpu",
    "a webgpu",
    "b cpu",
  ]);
  loads[0]?.finish();
  expect(await first.ready).toBe(await second.ready);
});

test("the model goes with the last share, however often one is given back", async () => {
  const { share, loads } = start();
  const [first, second] = [share.take("a", "cpu", ignore), share.take("a", "cpu", ignore)];
  loads[0]?.finish();
  await first.ready;
  first.release();
  first.release();
  await turn();
  expect(loads[0]?.disposed).toBe(false);
  second.release();
  await turn();
  expect(loads[0]?.disposed).toBe(true);
  share.take("a", "cpu", ignore);
  expect(loads).toHaveLength(2);
});

test("a loading that nobody waits for is stopped", () => {
  const { share, loads } = start();
  share.take("a", "cpu", ignore).release();
  expect(loads[0]?.options.signal?.aborted).toBe(true);
});

test("who comes late hears what came last, and then the rest", () => {
  const { share, loads } = start();
  const done = (file: string): LoadEvent => ({ status: "done", file });
  const heard: string[] = [];
  share.take("a", "cpu", ignore);
  for (const file of ["1", "2"]) loads[0]?.options.onProgress?.(done(file));
  const late = share.take("a", "cpu", (event) => heard.push("file" in event ? event.file : ""));
  loads[0]?.options.onProgress?.(done("3"));
  late.release();
  loads[0]?.options.onProgress?.(done("4"));
  expect(heard).toEqual(["2", "3"]);
});

test("a failure reaches all who wait and nobody who asks later", async () => {
  const { share, loads } = start();
  const [first, second] = [share.take("a", "cpu", ignore), share.take("a", "cpu", ignore)];
  loads[0]?.fail(new Error("no network"));
  await expect(first.ready).rejects.toThrow("no network");
  await expect(second.ready).rejects.toThrow("no network");
  share.take("a", "cpu", ignore);
  expect(loads).toHaveLength(2);
});

test("a model that is retired serves those who have it and no one else", async () => {
  const { share, loads } = start();
  const [first, second] = [share.take("a", "cpu", ignore), share.take("a", "cpu", ignore)];
  loads[0]?.finish();
  await first.ready;
  first.retire();
  share.take("a", "cpu", ignore);
  expect(loads).toHaveLength(2);
  await turn();
  expect(loads[0]?.disposed).toBe(false);
  // Its end leaves the new one alone.
  second.release();
  await turn();
  expect(loads[0]?.disposed).toBe(true);
  share.take("a", "cpu", ignore);
  expect(loads).toHaveLength(2);
});
