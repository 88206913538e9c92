import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { precacheEntries } from "./service-worker.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "flamingo-www-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(file: string, content: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), content);
}

const revisions = () =>
  Object.fromEntries(precacheEntries(folder, "assets").map(({ url, revision }) => [url, revision]));

test("files are listed but the service worker and the modules; names with a hash need no revision", () => {
  for (const file of [
    "service-worker.js",
    "index.html",
    "icons/192.png",
    "assets/a-1f.js",
    "assets/threads-1f.wasm",
  ]) {
    write(file, file);
  }
  expect(revisions()).toEqual({
    "assets/a-1f.js": null,
    "icons/192.png": expect.stringMatching(/^[0-9a-f]{16}$/),
    "index.html": expect.stringMatching(/^[0-9a-f]{16}$/),
  });
});

test("a revision is that of the content", () => {
  write("index.html", "one");
  const before = revisions();
  expect(revisions()).toEqual(before);
  write("index.html", "two");
  expect(revisions()).not.toEqual(before);
});
