import { expect, test } from "vitest";
import { readFolder, SupportFolderError } from "./read-folder.js";

const PNG = Uint8Array.from("\x89PNG\r\n\x1a\n", (letter) => letter.charCodeAt(0));

/** A file in a chosen folder. */
function file(path: string, content: BlobPart, type = ""): File {
  const made = new File([content], path.replace(/^.*\//, ""), { type });
  return Object.defineProperty(made, "webkitRelativePath", { value: `album/${path}` });
}

const names = async (files: File[]) =>
  (await readFolder(files)).map(({ medium, text }) => `${medium.name}: ${text}`);

const jsonl = '{"image": "./b.png", "text": "un café"}\r\n\r\n{"image": "sub/a", "text": "a"}\r\n';

test.each([
  ["as it is", jsonl],
  ["with a byte order mark", `\ufeff${jsonl}`],
])("the list of a folder is read %s", async (_, list) => {
  // What is a picture its bytes say.
  const files = [
    file("sub/a", PNG),
    file("b.png", PNG, "text/plain"),
    file("captions.jsonl", list),
  ];
  expect(await names(files)).toEqual(["b.png: un café", "a: a"]);
});

test("pictures are paired with texts in the order of their numbers, but those of systems", async () => {
  const files = [10, 2, 1].flatMap((n) => [
    file(`${n}.png`, PNG),
    file(`${n}.txt`, `\ufeffno ${n} `),
  ]);
  const left = [file("._1.png", PNG), file("._1.txt", "resource"), file("Thumbs.db", PNG)];
  expect(await names([...files, ...left])).toEqual(["1.png: no 1", "2.png: no 2", "10.png: no 10"]);
});

test.each<[string, BlobPart, string]>([
  [
    "UTF-16",
    Uint8Array.of(0xff, 0xfe, 123, 0),
    "captions.jsonl cannot be read: it is written in UTF-16",
  ],
  [
    "UTF-16 without its mark",
    Uint8Array.of(123, 0, 34, 0),
    "captions.jsonl cannot be read: it has zero bytes",
  ],
  [
    "Latin-1",
    Uint8Array.of(123, 0xe9, 125),
    "captions.jsonl cannot be read: it is not written in UTF-8",
  ],
  ["no JSON", '{"image": "b.png", "text": "b"}\n{', "captions.jsonl:2 is no JSON"],
  ["no text", '\n{"image": "b.png"}', 'captions.jsonl:2 lacks its "image" or its "text"'],
  ["no image", '{"image": "", "text": "b"}', 'captions.jsonl:1 names "", which is no picture'],
  ["a folder", '{"image": ".", "text": "b"}', 'captions.jsonl:1 names ".", which is no picture'],
  ["what is no picture", '{"image": "c.png", "text": "c"}', 'names "c.png", which is no picture'],
  ["part of a name", '{"image": "ub.png", "text": "b"}', 'names "ub.png", which is no picture'],
])("a list with %s is told", async (_, list, reason) => {
  const files = [file("b.png", PNG), file("c.png", "text"), file("captions.jsonl", list)];
  const reading = readFolder(files);
  await expect(reading).rejects.toBeInstanceOf(SupportFolderError);
  await expect(reading).rejects.toThrow(reason);
});

test("a name of any length is told in a line", async () => {
  const list = JSON.stringify({ image: "x".repeat(100_000), text: "b" });
  const error = await readFolder([file("b.png", PNG), file("captions.jsonl", list)]).catch(String);
  expect(error.length).toBeLessThan(500);
});
