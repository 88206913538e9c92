/** The memory that a model takes of a tab, by its `model.json`: known before a shard is fetched. */

import { ModelTooLargeError } from "./errors.js";
import type { Manifest } from "./manifest.js";
import type { DeviceReport } from "./types.js";

/** The most that a WebAssembly module addresses with its pointers of 32 bits. */
export const MOST_HEAP_BYTES = 2 ** 32;

/**
 * What there is on the heap beside weights, keys and values: the module, the tokenizer, a photo
 * while it is decoded, the activations of the largest released encoder and of a long prompt.
 */
const BESIDE_BYTES = 2 ** 27;

/** Where a model is to run. */
type Kind = DeviceReport["kind"];

/**
 * Bytes of the heap that a model takes at its peak, estimated: while it is loaded the largest tensor
 * is there a second time, as it arrives; on a GPU the weights are not on the heap, but each has
 * been there.
 */
export function heapBytesOf(
  { memoryBytes, largestTensorBytes }: Pick<Manifest, "memoryBytes" | "largestTensorBytes">,
  kind: Kind,
): number {
  return (kind === "cpu" ? memoryBytes : 0) + largestTensorBytes + BESIDE_BYTES;
}

/** Why a model fits no tab where it is to run; nothing where it may fit. */
export function tooLarge(manifest: Manifest, device: Kind): ModelTooLargeError | undefined {
  const needed = heapBytesOf(manifest, device);
  return needed > MOST_HEAP_BYTES
    ? new ModelTooLargeError({ device, needed, available: MOST_HEAP_BYTES })
    : undefined;
}
