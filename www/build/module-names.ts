/** The names of the page's files that Vite makes of the package's. */

/** Of an asset, what the bundler tells. */
interface Asset {
  /** Where it lies, relative to the page's sources. */
  readonly originalFileNames: readonly string[];
}

/**
 * Tells the two builds of the WebAssembly module apart, whose files have the same name in folders of
 * their own: the service worker finds the successor of the one it keeps by this.
 */
export function assetFileName({ originalFileNames: [file = ""] }: Asset): string {
  if (!file.endsWith(".wasm")) return "assets/[name]-[hash][extname]";
  return `assets/${file.includes("/wasm-threads/") ? "threads" : "webgpu"}-[hash][extname]`;
}
