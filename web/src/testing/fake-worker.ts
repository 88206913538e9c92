/** The page's side and the Worker's in one place, joined by a real channel. */

import { expose, proxy } from "comlink";
import { afterEach, vi } from "vitest";
import { Connection } from "../connection.js";
import { Engine } from "../engine.js";
import type { Host } from "../model-host.js";
import type { LoadedModel } from "../protocol.js";
import type { FileStore } from "../storage/file-store.js";
import { MemoryStore } from "../storage/memory.js";
import type { DevicePreference, LoadEvent } from "../types.js";
import type { WasmModule } from "../wasm.js";
import { type FakeAnswers, fakeModel, MODEL_URL, serve } from "./fake-server.js";
import { type FakeModule, fakeWasm } from "./fake-wasm.js";

const closers: (() => void)[] = [];

afterEach(() => {
  vi.unstubAllGlobals();
  for (const close of closers.splice(0)) close();
});

/** Both ends and the module between them. They are closed after the test. */
export interface Line {
  readonly wasm: FakeModule;
  readonly engine: Engine;
  readonly connection: Connection;
}

/** Starts an engine over a fake module, or over what `start` gives. */
export function join(start?: () => Promise<WasmModule>): Line {
  const wasm = fakeWasm();
  const engine = new Engine(start ?? (async () => wasm));
  const { port1, port2 } = new MessageChannel();
  expose(engine, port2);
  const connection = new Connection(port1, () => {
    port1.close();
    port2.close();
  });
  closers.push(() => connection.close("model"));
  return { wasm, engine, connection };
}

/** Loads a model from a fake server; `memory` is the page's. */
export async function load(
  connection: Connection,
  device: DevicePreference = "auto",
  files: Record<string, FakeAnswers> = fakeModel(),
  memory: FileStore = new MemoryStore(),
): Promise<{ model: LoadedModel; events: LoadEvent[]; requests: string[] }> {
  const log = serve(files);
  const events: LoadEvent[] = [];
  const onEvent = proxy((event: LoadEvent) => {
    events.push(event);
  });
  const wish = { preference: device, int8Activations: false };
  const model = await connection.call((remote, task) =>
    remote.load(task, MODEL_URL, wish, proxy(memory), onEvent),
  );
  return { model, events, requests: log.map(({ url }) => url) };
}

/** A host that has this one Worker and no other. */
export function hostOf(connection: Connection): Host {
  return {
    call: (call, signal) => connection.call(call, signal),
    keep: () => {},
    release: () => {},
  };
}

/** {@link join} and {@link load}. */
export async function joinLoaded(): Promise<Line> {
  const line = join();
  await load(line.connection);
  return line;
}

/** The texts of a stream's tokens. */
export async function texts(stream: AsyncIterable<{ text: string }>): Promise<string[]> {
  const found: string[] = [];
  for await (const { text } of stream) found.push(text);
  return found;
}
