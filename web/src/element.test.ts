import { expect, test } from "vitest";

test("can be imported where pages are rendered without elements", async () => {
  expect("HTMLElement" in globalThis).toBe(false);
  const { FlamingoCaption } = await import("./element.js");
  expect(FlamingoCaption.observedAttributes).toContain("model");
});
