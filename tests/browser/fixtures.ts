/** The photos of `tests/fixtures/photos`: ten to caption, two to show. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = new URL("../fixtures/photos/", import.meta.url);

export interface ExamplePhoto {
  /** Path of the file. */
  readonly path: string;
  readonly text: string;
}

/** Path of a photo by its file name. */
export const photoPath = (name: string): string => fileURLToPath(new URL(name, FOLDER));

/** Path of the examples' list, as `flamingo caption --shots` reads it. */
export const SHOTS_FILE = photoPath("shots.jsonl");

/** The photos to caption, in order. */
export const PHOTOS: readonly string[] = lines("queries.jsonl").map(({ image }) =>
  photoPath(image),
);

/** The photos to show with their captions, in order. */
export const SHOTS: readonly ExamplePhoto[] = lines("shots.jsonl").map(({ image, text }) => ({
  path: photoPath(image),
  text,
}));

function lines(file: string): { image: string; text: string }[] {
  return readFileSync(new URL(file, FOLDER), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}
