/** Files for as long as the page is open, where the browser keeps none. */

import type { FileStore, StoredFile } from "./file-store.js";

/** Files as blobs, which the browser holds outside the heap and may move to disk by itself. */
export class MemoryStore implements FileStore {
  readonly #folders = new Map<string, Map<string, Blob>>();

  async folders(): Promise<string[]> {
    return [...this.#folders.keys()];
  }

  async files(folder: string): Promise<StoredFile[]> {
    const files = this.#folders.get(folder) ?? new Map<string, Blob>();
    return Array.from(files, ([name, { size }]) => ({ name, bytes: size }));
  }

  async read(folder: string, name: string): Promise<Blob | undefined> {
    return this.#folders.get(folder)?.get(name);
  }

  async write(folder: string, name: string, content: Blob): Promise<void> {
    const files = this.#folders.get(folder) ?? new Map<string, Blob>();
    this.#folders.set(folder, files.set(name, content));
  }

  async remove(folder: string, name?: string): Promise<void> {
    if (name === undefined) this.#folders.delete(folder);
    else this.#folders.get(folder)?.delete(name);
  }
}

/**
 * The page's own. It lies here and not in the Workers, because a Worker ends with its model and
 * the next one should find the files.
 */
export const pageMemory = new MemoryStore();
