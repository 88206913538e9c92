import type { AttentionMap } from "flamingo-web";
import { present } from "../invariant.js";

/** Draws one frame of a map: pink where the model looked, clear where it did not. */
export function drawAttention(canvas: HTMLCanvasElement, map: AttentionMap, frame: number): void {
  const { side, weights } = map;
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext("2d");
  if (context === null) return;
  const pixels = context.createImageData(side, side);
  // All frames share one scale, so that they can be compared.
  const largest = weights.reduce((largest, weight) => Math.max(largest, weight), 0);
  for (let i = 0; i < side * side; i++) {
    const weight = present(weights[frame * side * side + i], "each frame has a map");
    const share = largest === 0 ? 0 : weight / largest;
    pixels.data.set([255, 45, 120, Math.round(share * 200)], i * 4);
  }
  context.putImageData(pixels, 0, 0);
}

/** Which share of what the model looked at in a clip was in one of its frames, 0 to 1. */
export function shareOfFrame({ side, weights }: AttentionMap, frame: number): number {
  const sum = (values: readonly number[]) => values.reduce((sum, weight) => sum + weight, 0);
  const whole = sum(weights);
  const cells = side * side;
  return whole === 0 ? 0 : sum(weights.slice(frame * cells, (frame + 1) * cells)) / whole;
}
