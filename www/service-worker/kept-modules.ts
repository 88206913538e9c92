/** The WebAssembly modules: kept when a visit uses them, because most visits use one and they are large. */

/** What is needed of a cache. */
export type ModuleCache = Pick<Cache, "match" | "put" | "keys" | "delete">;

/** The modules of one version of the page. */
export class KeptModules {
  readonly #open: () => Promise<ModuleCache>;
  readonly #urls: ReadonlySet<string>;

  /** `urls` are the absolute addresses of this version's modules; `open` opens the cache that all versions share. */
  constructor(urls: readonly string[], open: () => Promise<ModuleCache>) {
    this.#urls = new Set(urls);
    this.#open = open;
  }

  /** Whether a module of this version lies at the address. */
  has(url: string): boolean {
    return this.#urls.has(url);
  }

  /**
   * The module at an address of this version: the one that is kept, or the fetched one, which is kept
   * from now on. It is compiled while it arrives, so nobody waits for the keeping but `whenKept`.
   */
  async answer(url: string, whenKept: (kept: Promise<void>) => void): Promise<Response> {
    const cache = await this.#open();
    const kept = await cache.match(url);
    if (kept !== undefined) return kept;
    const response = await fetch(url);
    // A full disk costs what is kept, not the visit.
    if (isModule(response)) whenKept(cache.put(url, response.clone()).catch(() => {}));
    return response;
  }

  /** Keeps what a visit used before there was a service worker to ask. The browser has it at hand. */
  async keep(urls: readonly string[]): Promise<void> {
    for (const url of urls) {
      // The next visit that has a network tries again.
      if (this.has(url)) await this.#fetch(url).catch(() => {});
    }
  }

  /**
   * Fetches the successors of the modules that the version before keeps: without them the new version
   * would not start offline. Rejects where that fails.
   */
  async succeed(): Promise<void> {
    const names = new Set((await this.#kept()).map(nameOf));
    for (const url of this.#urls) if (names.has(nameOf(url))) await this.#fetch(url);
  }

  /** Forgets the modules of other versions. */
  async forgetOthers(): Promise<void> {
    const cache = await this.#open();
    for (const url of await this.#kept()) if (!this.has(url)) await cache.delete(url);
  }

  async #fetch(url: string): Promise<void> {
    const cache = await this.#open();
    if ((await cache.match(url)) !== undefined) return;
    const response = await fetch(url);
    if (!isModule(response)) throw new Error(`The server gave no module (${response.status}).`);
    await cache.put(url, response);
  }

  async #kept(): Promise<string[]> {
    return (await (await this.#open()).keys()).map(({ url }) => url);
  }
}

/** Whether an answer may be kept: not where a web page came in its place, before a login for example. */
const isModule = ({ ok, headers }: Response): boolean =>
  ok && !(headers.get("content-type") ?? "").startsWith("text/html");

/** What a module is called in every version: the address without the hash of its content. */
const nameOf = (url: string) => url.replace(/-[\w-]{8}\.wasm$/, "");
