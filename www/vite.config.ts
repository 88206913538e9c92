import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { contentSecurityPolicy, POLICY } from "./build/content-security-policy.js";
import { models } from "./build/models.js";
import { assetFileName } from "./build/module-names.js";
import { serviceWorker } from "./build/service-worker.js";
import { subresourceIntegrity } from "./build/subresource-integrity.js";

/** Isolates the page from other origins, which threads in WebAssembly require. */
const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  // Relative addresses: the site may lie under any path.
  base: "./",
  plugins: [
    contentSecurityPolicy(),
    models(fileURLToPath(new URL("../models", import.meta.url))),
    subresourceIntegrity(),
    serviceWorker(),
  ],
  worker: {
    format: "es",
    rolldownOptions: { output: { assetFileNames: assetFileName } },
  },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    // A `data:` address would need a hole in the policy.
    assetsInlineLimit: 0,
    rolldownOptions: { input: ["index.html", "bench.html"] },
  },
  server: { headers: ISOLATION },
  // A Worker takes its policy from its own response, not from the page.
  preview: { headers: { "Content-Security-Policy": POLICY, ...ISOLATION } },
});
