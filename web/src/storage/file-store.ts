/** What the cache of models needs of a place that keeps files. */

/** A file that is kept. */
export interface StoredFile {
  readonly name: string;
  /** Its length in bytes. */
  readonly bytes: number;
}

/**
 * Files in folders, one folder deep. Every method is asynchronous and takes and gives only what
 * survives `postMessage`, so a store may lie on the other side of a Worker.
 */
export interface FileStore {
  /** Names of all folders. */
  folders(): Promise<string[]>;
  /** What is in a folder; nothing where there is no such folder. */
  files(folder: string): Promise<StoredFile[]>;
  /** A file's content, or `undefined` where there is none. */
  read(folder: string, name: string): Promise<Blob | undefined>;
  /** Keeps a file, in place of an earlier one. Rejects with a `QuotaExceededError` where it does not fit. */
  write(folder: string, name: string, content: Blob): Promise<void>;
  /** Forgets a file or, without `name`, a whole folder. What is not there is no error. */
  remove(folder: string, name?: string): Promise<void>;
}
