/** What the page tells its service worker: to replace the older one, or which modules it has used. */
export type PageMessage = "take-over" | { readonly keep: readonly string[] };
