/** Files as responses in Cache Storage. */

import type { FileStore, StoredFile } from "./file-store.js";

/** The one cache of this package. */
const CACHE = "flamingo-models";

/** Each file is the response to an address of its own, which is never fetched. */
export class CacheStorageStore implements FileStore {
  readonly #cache: Cache;

  private constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** Rejects where the browser has no Cache Storage or refuses it to this page. */
  static async open(): Promise<CacheStorageStore> {
    return new CacheStorageStore(await caches.open(CACHE));
  }

  async folders(): Promise<string[]> {
    const requests = await this.#cache.keys();
    return [...new Set(requests.map(({ url }) => partsOf(url).folder))];
  }

  async files(folder: string): Promise<StoredFile[]> {
    const files: StoredFile[] = [];
    for (const request of await this.#cache.keys()) {
      const parts = partsOf(request.url);
      if (parts.folder !== folder) continue;
      const response = await this.#cache.match(request);
      const bytes = Number(response?.headers.get("content-length"));
      if (response !== undefined) files.push({ name: parts.name, bytes });
    }
    return files;
  }

  async read(folder: string, name: string): Promise<Blob | undefined> {
    const response = await this.#cache.match(addressOf(folder, name));
    return response?.blob();
  }

  async write(folder: string, name: string, content: Blob): Promise<void> {
    const headers = { "content-length": `${content.size}` };
    await this.#cache.put(addressOf(folder, name), new Response(content, { headers }));
  }

  async remove(folder: string, name?: string): Promise<void> {
    const names = name === undefined ? (await this.files(folder)).map((file) => file.name) : [name];
    for (const each of names) await this.#cache.delete(addressOf(folder, each));
  }
}

function addressOf(folder: string, name: string): string {
  return new URL(`/${CACHE}/${folder}/${name}`, location.href).href;
}

function partsOf(address: string): { folder: string; name: string } {
  const [folder = "", name = ""] = new URL(address).pathname.split("/").slice(2);
  return { folder, name };
}
