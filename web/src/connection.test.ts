import { afterEach, expect, test, vi } from "vitest";
import { Connection } from "./connection.js";
import { InternalError, StartError } from "./errors.js";

afterEach(() => vi.unstubAllGlobals());

/** A Worker that never answers and reports a fault with `message`. */
class FailingWorker extends EventTarget {
  static message = "";

  constructor() {
    super();
    queueMicrotask(() => {
      this.dispatchEvent(Object.assign(new Event("error"), { message: FailingWorker.message }));
    });
  }

  postMessage(): void {}
  terminate(): void {}
}

test.each([
  ["a script that cannot be loaded", "", StartError, "could not be loaded"],
  ["a script that throws", "x is not defined", InternalError, "x is not defined"],
])("%s ends what waits", async (_, message, expected, words) => {
  vi.stubGlobal("Worker", FailingWorker);
  FailingWorker.message = message;
  const connection = Connection.toWorker();
  const call = connection.call((remote, task) => remote.memory(task));
  await expect(call).rejects.toBeInstanceOf(expected);
  await expect(call).rejects.toThrow(words);
});

test("a Worker that the browser refuses is told with its reason", () => {
  vi.stubGlobal("Worker", function refuse() {
    throw new DOMException("of another origin", "SecurityError");
  });
  expect(() => Connection.toWorker()).toThrow(StartError);
  expect(() => Connection.toWorker()).toThrow("of another origin");
});
