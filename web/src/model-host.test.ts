import { expect, test } from "vitest";
import { DeviceLostError, DisposedError, NetworkError } from "./errors.js";
import { ModelHost } from "./model-host.js";
import { Session } from "./session.js";
import { MemoryStore } from "./storage/memory.js";
import { SupportSet } from "./support-set.js";
import { type FakeAnswers, fakeModel } from "./testing/fake-server.js";
import type { FakeModule } from "./testing/fake-wasm.js";
import { join, load, texts } from "./testing/fake-worker.js";

const photo = Uint8Array.of(7);

/** A host whose Workers are counted. `arrange` prepares each module before it loads. */
async function open(
  arrange: (module: FakeModule, index: number) => void = () => {},
  files: (index: number) => Record<string, FakeAnswers> = () => fakeModel(),
) {
  const memory = new MemoryStore();
  const modules: FakeModule[] = [];
  const requests: string[][] = [];
  let lost = 0;
  const host = await ModelHost.open(
    async () => {
      const { wasm, connection } = join();
      arrange(wasm, modules.length);
      const index = modules.push(wasm) - 1;
      const loading = await load(connection, "auto", files(index), memory);
      requests.push(loading.requests);
      return { connection, loaded: loading.model };
    },
    () => {
      lost += 1;
    },
  );
  return { host, modules, requests, losses: () => lost };
}

/** The first Worker's device is lost after some tokens. */
const loseFirstAfter = (tokens: number) => (module: FakeModule, index: number) => {
  if (index === 0) module.tokensUntilLost = tokens;
};

test("a text goes on where it was, told once, with the weights that are kept", async () => {
  const { host, modules, requests, losses } = await open(loseFirstAfter(2));
  const session = new Session(host, 1, { shots: [{ image: Uint8Array.of(1), text: "cat" }] });
  const stream = session.caption(photo);
  expect(await texts(stream)).toEqual(["1=cat", "7", "a", "dog"]);
  expect((await stream.result).text).toBe("1=cat | 7 | a | dog");
  expect(modules).toHaveLength(2);
  expect(losses()).toBe(1);
  expect(requests[1]).toEqual([expect.stringContaining("model.json")]);
  expect(modules[1]?.pushed).toEqual([1, 2, 3, 4, 5]);
});

test("sessions, their turns and support sets move along", async () => {
  const { host, modules } = await open(loseFirstAfter(6));
  const dialogue = new Session(host, 1, { task: "visual-question" });
  const other = new Session(host, 2, { shots: [{ text: "unseen" }] });
  const set = new SupportSet(host, 1, undefined);
  await set.add(photo, { image: "cat.jpg", text: "a cat" });
  // Four tokens, then two, and the device is lost.
  await dialogue.ask(photo, "what?", { remember: true }).result;
  expect(await texts(dialogue.ask(null, "where?"))).toEqual([
    "7 what?→a dog",
    "where?",
    "a",
    "dog",
  ]);
  expect(modules).toHaveLength(2);
  expect(await texts(other.caption(photo))).toEqual(["=unseen", "7", "a", "dog"]);
  // The fake set counts its entries behind an F.
  expect(await set.save()).toEqual(Uint8Array.of(70, 1));
  expect(modules).toHaveLength(2);
});

test("all who waited are served by one rebuild", async () => {
  const { host, modules, losses } = await open(loseFirstAfter(1));
  const sessions = [1, 2, 3].map((id) => new Session(host, id, {}));
  const written = await Promise.all(sessions.map((session) => texts(session.caption(photo))));
  expect(written).toEqual(Array(3).fill(["7", "a", "dog"]));
  expect(modules).toHaveLength(2);
  expect(losses()).toBe(1);
  expect([...(modules[1]?.alive ?? [])].map((name) => name.replace(/ \d+$/, ""))).toEqual([
    "model",
    "session",
    "session",
    "session",
  ]);
});

test("a session that was disposed of stays behind", async () => {
  const { host, modules } = await open(loseFirstAfter(0));
  const gone = new Session(host, 1, {});
  await gone.opened;
  gone.dispose();
  await texts(new Session(host, 2, {}).caption(photo));
  expect([...(modules[1]?.alive ?? [])].filter((name) => name.startsWith("session"))).toHaveLength(
    1,
  );
});

test("a device that is lost at once again is not rebuilt a second time", async () => {
  const { host, modules } = await open((module) => {
    module.tokensUntilLost = 0;
  });
  const session = new Session(host, 1, {});
  await expect(session.caption(photo).result).rejects.toBeInstanceOf(DeviceLostError);
  await expect(session.caption(photo).result).rejects.toBeInstanceOf(DeviceLostError);
  expect(modules).toHaveLength(2);
});

test("a rebuild that fails is a lost device, with the reason as its cause", async () => {
  const { host } = await open(loseFirstAfter(0), (index) =>
    index === 0
      ? fakeModel()
      : { ...fakeModel([Uint8Array.of(9)]), "shard-0.bin": { body: "x", breakAfter: 0 } },
  );
  const session = new Session(host, 1, {});
  const error = await session.caption(photo).result.catch((error: unknown) => error);
  expect(error).toBeInstanceOf(DeviceLostError);
  expect((error as Error).cause).toBeInstanceOf(NetworkError);
});

test("a text that another device begins otherwise is given up", async () => {
  const { host } = await open((module, index) => {
    if (index === 0) module.tokensUntilLost = 2;
    else module.firstId = 100;
  });
  const stream = new Session(host, 1, {}).caption(photo);
  await expect(texts(stream)).rejects.toBeInstanceOf(DeviceLostError);
});

test("closing in the middle of a rebuild ends it, and what waited", async () => {
  let started = () => {};
  const second = new Promise<void>((resolve) => {
    started = resolve;
  });
  const { host } = await open((module, index) => {
    if (index === 0) module.tokensUntilLost = 0;
    else started();
  });
  const stream = new Session(host, 1, {}).caption(photo);
  await second;
  host.close("model");
  await expect(stream.result).rejects.toBeInstanceOf(DisposedError);
  await expect(host.call((remote, task) => remote.memory(task))).rejects.toBeInstanceOf(
    DisposedError,
  );
});
