/** Which frames of a clip the model sees. */

/** So many in all, or so many a second. */
export type Sampling =
  | { readonly kind: "count"; readonly count: number }
  | { readonly kind: "rate"; readonly rate: number };

/** Most frames of one clip: each is encoded, and a long video would take minutes. */
export const MAX_FRAMES = 32;

/** Which of so many pictures are taken: all, or as many as there may be, each from the middle of its share. */
export function picturePlaces(sampling: Sampling, pictures: number): number[] {
  const wanted = sampling.kind === "count" ? sampling.count : pictures;
  const count = Math.min(MAX_FRAMES, wanted, pictures);
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * pictures) / count));
}

/** A time within a clip: minutes, seconds and tenths. */
export function clipTime(seconds: number): string {
  const tenths = Math.round(seconds * 10);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}
