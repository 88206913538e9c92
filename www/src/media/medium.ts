/** Pictures and clips as the page keeps them: plain data that can be stored. */

import { framesOf, type MediaSource } from "flamingo-web";
import { MediaError } from "../errors.js";
import { encodeFrame } from "./encode-frame.js";
import { kindOf } from "./file-kind.js";

/** What a text may be about: one frame is a picture, several are a clip. */
export interface Medium {
  /** Where it comes from, for people: the name of its file, say. */
  readonly name: string;
  /** Files of pictures, in the order of time; at least one. */
  readonly frames: readonly Blob[];
}

/** What a place for pictures and clips lets the user choose. What the model cannot read it refuses in words. */
export const ACCEPT = "image/*,video/*";

/** Frames taken of a clip: enough to tell what happens, few enough for every device. */
export const CLIP_FRAMES = 8;

/** What the model takes. */
export function sourceOf({ frames }: Medium): MediaSource {
  const [picture] = frames;
  return picture !== undefined && frames.length === 1 ? picture : { frames };
}

/** The picture that stands for the whole where there is place for one only. */
export function coverOf({ name, frames }: Medium): Blob {
  const cover = frames[frames.length >> 1];
  if (cover === undefined) throw new MediaError(`${name} has no frames. Take another one.`);
  return cover;
}

/** The files of a drop or a paste. */
export function filesOf(transfer: DataTransfer | null): File[] {
  return [...(transfer?.files ?? [])];
}

/**
 * The kind of a file, by its bytes. If they do not tell, its type does: it may be a video that only
 * this browser knows, and of anything else the model says what is wrong with it.
 */
export async function mediumOf(file: File): Promise<Medium> {
  const kind = (await kindOf(file)) ?? (file.type.startsWith("video/") ? "video" : "picture");
  return kind === "video" ? clipOf(file) : pictureOf(file);
}

/** A file as a picture, whatever is in it. */
export const pictureOf = (file: File): Medium => ({ name: file.name, frames: [file] });

async function clipOf(file: File): Promise<Medium> {
  const video = document.createElement("video");
  const url = URL.createObjectURL(file);
  video.muted = true;
  video.preload = "auto";
  video.src = url;
  try {
    const frames = await framesOf(video, { count: CLIP_FRAMES });
    return {
      name: file.name,
      frames: await Promise.all(frames.map((frame) => encodeFrame(frame))),
    };
  } finally {
    video.removeAttribute("src");
    URL.revokeObjectURL(url);
  }
}
