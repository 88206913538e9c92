import { afterEach, expect, test, vi } from "vitest";
import { StartError } from "./errors.js";
import { Flamingo } from "./flamingo.js";

afterEach(() => vi.unstubAllGlobals());

test.each([
  ["by default", {}, 1],
  ["unless told not to", { persist: false }, 0],
])("asks the browser to keep the model, %s", async (_, options, times) => {
  const persist = vi.fn(async () => false);
  vi.stubGlobal("navigator", { storage: { persist } });
  vi.stubGlobal("document", { baseURI: "https://page.test/" });
  vi.stubGlobal("Worker", function refuse() {
    throw new DOMException("of another origin", "SecurityError");
  });
  await expect(Flamingo.load("model.json", options)).rejects.toBeInstanceOf(StartError);
  expect(persist).toHaveBeenCalledTimes(times);
});
