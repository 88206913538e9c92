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
 * Writes the service worker beside the built page, with the lists of the page's files. It is
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
          MODULES: JSON.stringify(pageFiles(outDir).filter(isModule)),
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

/** What the service worker keeps from the first visit on: every file but the WebAssembly modules. */
export function precacheEntries(folder: string, assetsDir: string): PrecacheEntry[] {
  return pageFiles(folder)
    .filter((url) => !isModule(url))
    .map((url) => ({
      url,
      // Names in this folder have a hash of the content in them.
      revision: url.startsWith(`${assetsDir}/`) ? null : revisionOf(join(folder, url)),
    }));
}

/** The addresses of the built page's files, relative to it, without the service worker itself. */
function pageFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((url) => url !== SERVICE_WORKER)
    .sort();
}

/** A visit uses one of them, seldom two, and they are most of the page's bytes. */
const isModule = (url: string) => url.endsWith(".wasm");

function revisionOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 16);
}
