/** Files in the origin private file system. */

import type { FileStore, StoredFile } from "./file-store.js";

/** The one folder of this package at the root. */
const ROOT = "flamingo-models";

/** Folders and files as they are. A file appears whole, when its writing is closed, or not at all. */
export class OpfsStore implements FileStore {
  readonly #root: FileSystemDirectoryHandle;

  private constructor(root: FileSystemDirectoryHandle) {
    this.#root = root;
  }

  /** Rejects where the browser has no such file system or refuses it to this page. */
  static async open(): Promise<OpfsStore> {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(ROOT, { create: true });
    // Safari before 26 can only write in place, where a closed tab leaves half a file.
    if (!("createWritable" in FileSystemFileHandle.prototype)) {
      throw new TypeError("files of the origin private file system have no createWritable");
    }
    return new OpfsStore(folder);
  }

  async folders(): Promise<string[]> {
    const names: string[] = [];
    for await (const [name, { kind }] of this.#root.entries()) {
      if (kind === "directory") names.push(name);
    }
    return names;
  }

  async files(folder: string): Promise<StoredFile[]> {
    const handle = await found(this.#root.getDirectoryHandle(folder));
    const files: StoredFile[] = [];
    for await (const entry of handle?.values() ?? []) {
      // One that another tab removes meanwhile is not there.
      const file =
        entry.kind === "file" ? await found((entry as FileSystemFileHandle).getFile()) : undefined;
      if (file !== undefined) files.push({ name: file.name, bytes: file.size });
    }
    return files;
  }

  async read(folder: string, name: string): Promise<Blob | undefined> {
    const directory = await found(this.#root.getDirectoryHandle(folder));
    const file = directory && (await found(directory.getFileHandle(name)));
    return file && found(file.getFile());
  }

  async write(folder: string, name: string, content: Blob): Promise<void> {
    const directory = await this.#root.getDirectoryHandle(folder, { create: true });
    const file = await directory.getFileHandle(name, { create: true });
    try {
      const writable = await file.createWritable();
      await writable.write(content);
      await writable.close();
    } catch (error) {
      // A write that fails closes the stream. Left is the empty file that the handle made, unless
      // it was there before; it may be locked for a moment yet, and then stays.
      const { size } = await file.getFile().catch(() => ({ size: 0 }));
      if (size === 0) await directory.removeEntry(name).catch(() => {});
      throw error;
    }
  }

  async remove(folder: string, name?: string): Promise<void> {
    if (name === undefined) {
      await patiently(() => found(this.#root.removeEntry(folder, { recursive: true })));
    } else {
      const directory = await found(this.#root.getDirectoryHandle(folder));
      if (directory !== undefined) await found(directory.removeEntry(name));
    }
  }
}

/** Times that a file which someone is writing is tried again, and milliseconds between them. */
const [ATTEMPTS, PAUSE_MS] = [20, 100];

/** Tries again what is locked: a Worker that has ended keeps what it was writing for a moment. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const locked = error instanceof DOMException && error.name === "NoModificationAllowedError";
      if (!locked || attempt === ATTEMPTS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** What is not there is `undefined`; other failures stay failures. */
async function found<T>(entry: Promise<T>): Promise<T | undefined> {
  try {
    return await entry;
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotFoundError") return undefined;
    throw error;
  }
}
