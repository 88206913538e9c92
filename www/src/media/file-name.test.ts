import { expect, test } from "vitest";
import { byNumber, isLeftBySystem, nameAt } from "./file-name.js";

test.each([
  ["https://host.test/50%.jpg", "50%.jpg"],
  ["https://host.test/a/caf%C3%A9.png?x=1#y", "café.png"],
  ["https://host.test/%E0%A4%A.jpg", "%E0%A4%A.jpg"],
  ["https://host.test/", "host.test"],
  ["data:image/png;base64,iVBORw0/KGgo=", "picture"],
])("the name at %s is %s", (address, name) => {
  expect(nameAt(address)).toBe(name);
});

test("frames come as they are counted", () => {
  const names = ["frame10.png", "frame2.png", "Frame1.png", "frame01b.png", "frame1.png"];
  expect(names.sort(byNumber)).toEqual([
    "frame1.png",
    "Frame1.png",
    "frame01b.png",
    "frame2.png",
    "frame10.png",
  ]);
});

test("what systems leave in folders is none of a clip's frames", () => {
  const names = ["._frame1.png", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/a/frame1.png"];
  expect(names.filter((name) => !isLeftBySystem(`clip/${name}`))).toEqual([]);
  expect(["clip/frame1.png", "clip/thumbs.png"].filter(isLeftBySystem)).toEqual([]);
});
