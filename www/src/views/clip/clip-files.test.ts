import { expect, test } from "vitest";
import { MediaError } from "../../errors.js";
import { clipFilesOf, type PlacedFile } from "./clip-files.js";

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const PNG = bytes("\x89PNG\r\n\x1a\n");
const WEBM = bytes("\x1a\x45\xdf\xa3\x9f");
const GIF = bytes("GIF89a\x01\0");

const given = (path: string, content: BlobPart = PNG, type = ""): PlacedFile => ({
  path,
  file: new File([content], path.replace(/^.*\//, ""), { type }),
});

test("pictures come in the order in which one counts, without what systems leave", async () => {
  const paths = ["10", "2", "1"].map((n) => given(`clip/frame${n}.png`));
  const left = [
    given("clip/._frame1.png"),
    given("clip/Thumbs.db", "x"),
    given("clip/.DS_Store", "x"),
  ];
  const clip = await clipFilesOf([...paths, ...left]);
  if (clip.kind !== "pictures") throw new Error("a video");
  expect(clip.name).toBe("clip");
  expect(clip.files.map(({ name }) => name)).toEqual(["frame1.png", "frame2.png", "frame10.png"]);
});

test.each<[string, PlacedFile, string]>([
  ["a video", given("a.webm", WEBM, "video/webm"), "video"],
  ["a video that is called a picture", given("a.jpg", WEBM, "image/jpeg"), "video"],
  ["a picture that is called a video", given("a.mp4", GIF, "video/mp4"), "pictures"],
  ["a picture", given("a", PNG), "pictures"],
  ["what only the browser may know", given("a.wmv", "?", "video/x-ms-wmv"), "video"],
])("%s is told by its bytes", async (_, file, kind) => {
  expect((await clipFilesOf([file])).kind).toBe(kind);
});

test.each<[string, PlacedFile[], string]>([
  ["nothing", [], "There is no video here, and no picture."],
  ["only what systems leave", [given("clip/.DS_Store")], "There is no video here"],
  ["text", [given("notes.txt", "hello")], "notes.txt is neither a video nor a picture."],
  [
    "text among pictures",
    [given("clip/1.png"), given("clip/a.txt", "x")],
    "clip/a.txt is no picture.",
  ],
  ["two videos", [given("a.webm", WEBM), given("b.webm", WEBM)], "a.webm is no picture."],
  ["folders of clips", [given("c/a/1.png"), given("c/b/1.png")], "is a folder in the folder."],
])("%s is told", async (_, files, reason) => {
  const reading = clipFilesOf(files);
  await expect(reading).rejects.toBeInstanceOf(MediaError);
  await expect(reading).rejects.toThrow(reason);
});
