/** The source of a clip: a video, or pictures in the order of their names. */

import { brief, MediaError } from "../../errors.js";
import { kindOf } from "../../media/file-kind.js";
import { byNumber, isLeftBySystem } from "../../media/file-name.js";

/** A file, and its path from the folder that was given. */
export interface PlacedFile {
  readonly path: string;
  readonly file: File;
}

/** The files that were given as a clip. */
export type ClipFiles =
  | { readonly kind: "video"; readonly file: File }
  | { readonly kind: "pictures"; readonly name: string; readonly files: readonly File[] };

/** Files that were chosen, alone or with their folder. */
export const placed = (files: readonly File[]): PlacedFile[] =>
  files.map((file) => ({ path: file.webkitRelativePath || file.name, file }));

/**
 * Tells by their bytes what files are as a clip. Pictures come as they are counted: `frame2` before
 * `frame10`. What systems leave in folders does not count.
 *
 * @throws a {@link MediaError} that names the file which is out of place.
 */
export async function clipFilesOf(given: readonly PlacedFile[]): Promise<ClipFiles> {
  const meant = given
    .filter(({ path }) => !isLeftBySystem(path))
    .sort((a, b) => byNumber(a.path, b.path));
  const [first] = meant;
  if (first === undefined) {
    throw new MediaError("There is no video here, and no picture. Choose a video, or pictures.");
  }
  const folders = new Set(meant.map(({ path }) => path.slice(0, path.lastIndexOf("/") + 1)));
  if (folders.size > 1) {
    const [, other = ""] = [...folders].sort((a, b) => a.length - b.length);
    throw new MediaError(
      `${brief(other)} is a folder in the folder. Choose one that holds the pictures of one clip.`,
    );
  }
  const kinds = await Promise.all(meant.map(({ file }) => clipKindOf(file)));
  if (meant.length === 1 && kinds[0] === "video") return { kind: "video", file: first.file };
  const stray = kinds.findIndex((kind) => kind !== "picture");
  const name = brief(meant[stray]?.path ?? "");
  if (stray >= 0) {
    throw new MediaError(
      meant.length === 1
        ? `${name} is neither a video nor a picture. Choose a video, or pictures.`
        : `${name} is no picture. A clip is one video, or the pictures of one and nothing else.`,
    );
  }
  const [folder = ""] = folders;
  return {
    kind: "pictures",
    name: folder.slice(0, -1) || first.file.name,
    files: meant.map(({ file }) => file),
  };
}

/** By its bytes or, where they do not tell, its type: this browser may know more kinds of video. */
async function clipKindOf(file: File) {
  return (await kindOf(file)) ?? (file.type.startsWith("video/") ? "video" : undefined);
}
