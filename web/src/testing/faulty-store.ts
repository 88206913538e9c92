/** A store that fails when it is told to. */

import { MemoryStore } from "../storage/memory.js";

/** Keeps files like any other, until `room` bytes are taken or `fault` is set. */
export class FaultyStore extends MemoryStore {
  /** Bytes it still takes; beyond, it has the quota's error. */
  room = Number.POSITIVE_INFINITY;
  /** What every access throws. */
  fault: unknown;

  override async read(folder: string, name: string): Promise<Blob | undefined> {
    if (this.fault !== undefined) throw this.fault;
    return super.read(folder, name);
  }

  override async write(folder: string, name: string, content: Blob): Promise<void> {
    if (this.fault !== undefined) throw this.fault;
    if (content.size > this.room) throw new DOMException("full", "QuotaExceededError");
    this.room -= content.size;
    await super.write(folder, name, content);
  }

  /** Puts `content` in the place of the one shard with `bytes` bytes. */
  async damage(bytes: number, content: Uint8Array<ArrayBuffer>): Promise<void> {
    for (const folder of await this.folders()) {
      for (const file of await this.files(folder)) {
        if (file.bytes === bytes) await super.write(folder, file.name, new Blob([content]));
      }
    }
  }
}
