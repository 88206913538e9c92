import { expect, test } from "vitest";
import { brief, faultOf, MediaError } from "./errors.js";

test("a message has its beginning and its end, and never more than is read", () => {
  const long = "x".repeat(100_000);
  const { message } = new MediaError(`the cause: ${long}. The remedy.`);
  expect(message.length).toBeLessThan(810);
  expect(message).toMatch(/^the cause: x.+ … x.+\. The remedy\.$/);
  expect(faultOf(new Error(long)).message.length).toBeLessThan(300);
});

test("a text that is cut is cut between letters", () => {
  expect(brief("🦩".repeat(9), 4)).toBe("🦩🦩 … 🦩🦩");
  expect(brief("flamingo", 8)).toBe("flamingo");
});
