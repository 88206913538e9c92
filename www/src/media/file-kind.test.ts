import { expect, test } from "vitest";
import { type FileKind, kindOf } from "./file-kind.js";

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const packets = `G${"\0".repeat(187)}G${"\0".repeat(187)}`;

test.each<[string, string, FileKind | undefined]>([
  ["a JPEG", "\xff\xd8\xff\xe0", "picture"],
  ["a PNG", "\x89PNG\r\n\x1a\n", "picture"],
  ["a WebP", "RIFF\x10\0\0\0WEBPVP8 ", "picture"],
  ["a GIF", "GIF89a\x01\0", "picture"],
  ["a BMP", "BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "picture"],
  ["an icon", "\0\0\x01\0\x01\0", "picture"],
  ["a TIFF", "II*\0\x08\0\0\0", "picture"],
  ["an AVIF", "\0\0\0\x20ftypavif\0\0\0\0", "picture"],
  ["a HEIC", "\0\0\0\x18ftypheic\0\0\0\0", "picture"],
  ["an MP4", "\0\0\0\x20ftypisom\0\0\x02\0", "video"],
  ["a 3GP", "\0\0\0\x1cftyp3gp4\0\0\x02\0", "video"],
  ["a QuickTime film", "\0\0\0\x14ftypqt  \0\0\0\0", "video"],
  ["a WebM", "\x1a\x45\xdf\xa3\x9f\x42", "video"],
  ["an AVI", "RIFF\x10\0\0\0AVI LIST", "video"],
  ["an Ogg", "OggS\0\x02", "video"],
  ["a transport stream", packets, "video"],
  ["a transport stream with times", `\0\0\0\0${packets.slice(0, 188)}\0\0\0\0${packets}`, "video"],
  ["text that begins with G", "Greetings from the beach, ".repeat(20), undefined],
  ["text that begins with BM", "BMX riders in the park", undefined],
  ["a sound", "RIFF\x10\0\0\0WAVEfmt ", undefined],
  ["a web page", "<!doctype html>", undefined],
  ["nothing", "", undefined],
])("%s is told by its bytes, whatever it is called", async (_, content, kind) => {
  expect(await kindOf(new File([bytes(content)], "x.txt", { type: "text/plain" }))).toBe(kind);
});
