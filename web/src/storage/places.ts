/** The places a browser may offer for files, best first. */

import type { StorageKind } from "../types.js";
import { CacheStorageStore } from "./cache-storage.js";
import type { FileStore } from "./file-store.js";
import { OpfsStore } from "./opfs.js";

/** A place that may be had. */
export interface StoragePlace {
  readonly kind: StorageKind;
  /** Rejects where it cannot be had here. */
  readonly open: () => Promise<FileStore>;
}

/** Those that outlast the page. */
export const LASTING_PLACES: readonly StoragePlace[] = [
  { kind: "opfs", open: OpfsStore.open },
  { kind: "cache-storage", open: CacheStorageStore.open },
];

/** All places, with the page's memory last: it can always be had. */
export const placesWith = (memory: FileStore): readonly StoragePlace[] => [
  ...LASTING_PLACES,
  { kind: "memory", open: async () => memory },
];
