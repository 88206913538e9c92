import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { contentSecurityPolicy, POLICY } from "./build/content-security-policy.js";
import { models } from "./build/models.js";

export default defineConfig({
  // Relative addresses: the site may lie under any path.
  base: "./",
  plugins: [contentSecurityPolicy(), models(fileURLToPath(new URL("../models", import.meta.url)))],
  worker: { format: "es" },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    // A `data:` address would need a hole in the policy.
    assetsInlineLimit: 0,
    rolldownOptions: { input: ["index.html", "bench.html"] },
  },
  // A Worker takes its policy from its own response, not from the page.
  preview: { headers: { "Content-Security-Policy": POLICY } },
});
