/** Captions of what a camera sees, one frame after the other. */

import type { Caption } from "flamingo-web";
import { type Budget, restAfter } from "./budget.js";
import { ChangeDetector, type GreyThumbnail } from "./change-detector.js";

/** Milliseconds between two looks while nothing changes. */
const LOOK_MS = 250;

/** A frame, and what is compared of it. */
export interface LiveFrame<Image> {
  readonly image: Image;
  readonly grey: GreyThumbnail;
}

/** What the loop sees and does. */
export interface Surroundings<Image> {
  /** What the camera sees now. */
  frame(): LiveFrame<Image>;
  /** Has a caption written. */
  caption(image: Image): Promise<Caption>;
  /** Resolves after some milliseconds; rejects where the user has stopped. */
  rest(milliseconds: number): Promise<void>;
  /** Milliseconds of a steady clock. */
  now(): number;
}

/** What the user chose. It may change at any time. */
export interface LiveSettings {
  readonly budget: Budget;
  /** Least difference of a frame that is captioned; see {@link ChangeDetector}. */
  readonly threshold: number;
}

/** What happened. */
export type LiveEvent<Image> =
  /** A frame showed nothing new. */
  | { readonly kind: "skipped"; readonly atMs: number }
  | {
      readonly kind: "captioned";
      readonly image: Image;
      readonly caption: Caption;
      /** When the frame was taken. */
      readonly atMs: number;
      /** When its caption was whole. */
      readonly endMs: number;
    };

/**
 * Looks, writes and rests until one of these fails, as `rest` does when the user stops. A frame is
 * taken only when the caption before it is whole: there is never more than one in flight.
 */
export async function captionLive<Image>(
  surroundings: Surroundings<Image>,
  settings: () => LiveSettings,
  onEvent: (event: LiveEvent<Image>) => void,
): Promise<never> {
  const detector = new ChangeDetector();
  for (;;) {
    const atMs = surroundings.now();
    const { image, grey } = surroundings.frame();
    if (detector.isNew(grey, settings().threshold)) {
      const caption = await surroundings.caption(image);
      const endMs = surroundings.now();
      onEvent({ kind: "captioned", image, caption, atMs, endMs });
      await surroundings.rest(restAfter(settings().budget, endMs - atMs));
    } else {
      onEvent({ kind: "skipped", atMs });
      await surroundings.rest(LOOK_MS);
    }
  }
}
