import { expect, test } from "vitest";
import { BoardFileError, readBoardFile } from "./board-file.js";

const JPEG = "/9j/4AAQ";
const GIF = "R0lGODlhAQABAA==";

const board = (...frames: string[]) =>
  JSON.stringify({
    format: "flamingo-examples",
    version: 1,
    asks: false,
    examples: [{ name: "cat", frames, text: "Kätzchen" }],
  });

test.each([
  ["as it is written", board(`data:image/jpeg;base64,${JPEG}`)],
  ["with a byte order mark", `\ufeff${board(`data:image/jpeg;base64,${JPEG}`)}`],
  ["with another type than its picture's", board(`data:;base64,${JPEG}`)],
  ["with a type that has a parameter", board(`data:image/jpeg;q=1;base64,${JPEG}`)],
  ["with a picture of another format", board(`data:image/gif;base64,${GIF}`)],
])("a board is read %s", async (_, text) => {
  const { examples } = await readBoardFile(new Blob([text]));
  expect(examples).toHaveLength(1);
  expect(examples[0]?.text).toBe("Kätzchen");
  expect(examples[0]?.medium.frames[0]?.size).toBeGreaterThan(5);
});

test.each([
  ["no JSON", "the file cannot be imported: it is no JSON", "{"],
  ["UTF-16", "it is written in UTF-16", Uint8Array.of(0xff, 0xfe, 123, 0)],
  ["Latin-1", "it is not written in UTF-8", Uint8Array.of(123, 0xe4, 125)],
  [
    "text in place of a picture",
    "examples[0].frames[0] is no picture",
    board("data:image/png;base64,aGVsbG8="),
  ],
  [
    "an address in place of a picture",
    "examples[0].frames[0] is no picture",
    board("https://host.test/a.jpg"),
  ],
  [
    "what is not in base64",
    "examples[0].frames[0] is not in base64",
    board("data:image/png;base64,*"),
  ],
])("%s is told", async (_, reason, content) => {
  const reading = readBoardFile(new Blob([content]));
  await expect(reading).rejects.toBeInstanceOf(BoardFileError);
  await expect(reading).rejects.toThrow(new RegExp(reason.replace(/[[\].]/g, "\\$&"), "i"));
});
