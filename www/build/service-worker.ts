import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin, type ResolvedConfig } from "vite";

/** A file that the service worker keeps. */
export interface PrecacheEntry {
  /** Relative to the page. */
  readonly url: string;
  /** What tells this version of the file from others; `null` where its name does already. */
  readonly revision: string | null;
}

const ENTRY = fileURLToPath(new URL("../service-worker/service-worker.ts", import.meta.url));

/** Its name has no hash in it: browsers look for a new version at the same address. */
export const SERVICE_WORKER = "service-worker.js";

/**
 * Writes the service worker beside the built page, with the list of all files of the page. It is
 * a build of its own, after the other, because it must be a single classic script: not every
 * browser starts modules as service workers.
 */
export function serviceWorker(): Plugin {
  let config: ResolvedConfig;
  return {
    name: "service-worker",
    apply: "build",
    configResolved: (resolved) => {
      config = resolved;
    },
    closeBundle: async () => {
      const outDir = join(config.root, config.build.outDir);
      await build({
        configFile: false,
        logLevel: "warn",
        root: config.root,
        define: {
          "process.env.NODE_ENV": JSON.stringify("production"),
          PRECACHE: JSON.stringify(precacheEntries(outDir, config.build.assetsDir)),
        },
        build: {
          target: "es2022",
          outDir,
          emptyOutDir: false,
          copyPublicDir: false,
          lib: {
            entry: ENTRY,
            formats: ["iife"],
            name: "flamingo",
            fileName: () => SERVICE_WORKER,
          },
        },
      });
    },
  };
}

/** Every file of the built page but the service worker itself. */
export function precacheEntries(folder: string, assetsDir: string): PrecacheEntry[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((url) => url !== SERVICE_WORKER)
    .sort()
    .map((url) => ({
      url,
      // Names in this folder have a hash of the content in them.
      revision: url.startsWith(`${assetsDir}/`) ? null : revisionOf(join(folder, url)),
    }));
}

function revisionOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 16);
}
