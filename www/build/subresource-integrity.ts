import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin, ResolvedConfig } from "vite";

/** Scripts and styles that a page names, in the order of their attributes as Vite writes them. */
const TAG = /<(?:script|link)\b[^>]*\b(?:src|href)="\.\/([^"]+\.(?:js|css))"[^>]*?(?=>)/g;

/**
 * Has the built pages name the SHA-384 of their scripts and styles: a file that a host or a cache
 * on the way has changed is refused, and not run. It reads what was written, after everything else
 * has changed it; the service worker's build, which counts versions, comes later.
 */
export function subresourceIntegrity(): Plugin {
  let config: ResolvedConfig;
  return {
    name: "subresource-integrity",
    apply: "build",
    configResolved: (resolved) => {
      config = resolved;
    },
    closeBundle: () => {
      const folder = join(config.root, config.build.outDir);
      for (const name of readdirSync(folder).filter((name) => name.endsWith(".html"))) {
        const page = readFileSync(join(folder, name), "utf8");
        const read = (file: string) => readFileSync(join(folder, file));
        writeFileSync(join(folder, name), withIntegrity(page, read));
      }
    },
  };
}

/** The page with the hashes of the files that its tags name; `read` gives a file of its folder. */
export function withIntegrity(page: string, read: (file: string) => Uint8Array): string {
  return page.replace(TAG, (tag, file: string) => {
    const hash = createHash("sha384").update(read(file)).digest("base64");
    return `${tag} integrity="sha384-${hash}"`;
  });
}
