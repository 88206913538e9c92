/** What was seen and said, and files of it. */

import type { Medium } from "../../media/medium.js";

/** A caption of one frame, and how long it held. */
export interface LiveCaption {
  /** Milliseconds from the first start to the frame. */
  readonly fromMs: number;
  /** Until then no frame showed anything new. */
  readonly toMs: number;
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** The frame, small. */
  readonly thumbnail: Medium;
}

/** Captions kept on show; the oldest go first. */
const LONGEST = 500;

/** Adds a caption: the one before held until its frame. */
export function withCaption(
  history: readonly LiveCaption[],
  caption: LiveCaption,
): readonly LiveCaption[] {
  return [...heldUntil(history, caption.fromMs), caption].slice(-LONGEST);
}

/** The last caption still held at a time. */
export function heldUntil(history: readonly LiveCaption[], toMs: number): readonly LiveCaption[] {
  const last = history.at(-1);
  return last === undefined ? history : [...history.slice(0, -1), { ...last, toMs }];
}

/** A WebVTT file: subtitles of what the camera saw. */
export function webVtt(history: readonly LiveCaption[]): string {
  const cues = history
    .filter(({ text }) => text.trim() !== "")
    .map(
      ({ fromMs, toMs, text }) => `${timestamp(fromMs)} --> ${timestamp(toMs)}\n${cueText(text)}\n`,
    );
  return ["WEBVTT\n", ...cues].join("\n");
}

/** A JSON file with all that is known of the captions but their frames; times in seconds. */
export function historyJson(history: readonly LiveCaption[], model: string, started: Date): string {
  const captions = history.map(({ fromMs, toMs, text, tokenIds }) => ({
    from: fromMs / 1000,
    to: toMs / 1000,
    text,
    tokenIds,
  }));
  return `${JSON.stringify({ model, started: started.toISOString(), captions }, null, 2)}\n`;
}

/** Hours, minutes, seconds and milliseconds, as WebVTT writes them. */
function timestamp(milliseconds: number): string {
  const whole = Math.round(milliseconds);
  const part = (unit: number, size: number) => Math.floor(whole / unit) % size;
  const padded = (value: number, digits: number) => `${value}`.padStart(digits, "0");
  const hours = padded(Math.floor(whole / 3_600_000), 2);
  return `${hours}:${padded(part(60_000, 60), 2)}:${padded(part(1000, 60), 2)}.${padded(whole % 1000, 3)}`;
}

/** A blank line would end the cue, and these characters would begin a tag. */
function cueText(text: string): string {
  return text
    .trim()
    .replace(/\s*\n\s*/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
