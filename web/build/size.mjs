/**
 * What the package weighs in a page: bundled and minified by Vite, compressed with Brotli, without
 * the WebAssembly module. Prints a table in Markdown: `npm run size --workspace web`.
 */

import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { build } from "vite";

const dist = (file) => JSON.stringify(fileURLToPath(new URL(`../dist/${file}`, import.meta.url)));

/** What a page that takes an adapter has already. */
const PEERS = ["react", "@ai-sdk/provider"];

/** What a page may take of the package. */
const PAGES = [
  ["`Flamingo`: load, caption, ask, choose", `export { Flamingo } from ${dist("index.js")}`],
  ["everything `flamingo-web` exports", `export * from ${dist("index.js")}`],
  ["`flamingo-web/element`", `import ${dist("element.js")}`],
  ["one error class", `export { AbortedError } from ${dist("index.js")}`],
  ["`flamingo-web/react`", `export * from ${dist("react.js")}`],
  ["`flamingo-web/prompt-api`", `export { install } from ${dist("prompt-api.js")}`],
  ["`flamingo-web/ai-sdk`", `export * from ${dist("ai-sdk.js")}`],
];

/**
 * Bundles a page of one script. Returns the bytes of what it loads at once, of its Worker, and of what
 * it loads when it is asked for it, minified and compressed.
 */
async function sizes(source) {
  const name = "virtual:page.js";
  const { output } = await build({
    configFile: false,
    logLevel: "error",
    plugins: [
      {
        name: "page",
        resolveId: (id) => (id === name ? id : undefined),
        load: (id) => (id === name ? source : undefined),
      },
    ],
    worker: { format: "es" },
    build: {
      write: false,
      target: "es2022",
      modulePreload: false,
      rolldownOptions: { input: name, external: PEERS, preserveEntrySignatures: "strict" },
    },
  });
  const weight = (files) =>
    files.reduce((sum, { code, source }) => sum + brotliCompressSync(code ?? source).length, 0);
  const chunks = new Map(
    output.filter(({ type }) => type === "chunk").map((chunk) => [chunk.fileName, chunk]),
  );
  const atOnce = new Set();
  const follow = (fileName) => {
    if (atOnce.has(fileName)) return;
    atOnce.add(fileName);
    const { imports } = chunks.get(fileName);
    for (const imported of imports) if (chunks.has(imported)) follow(imported);
  };
  for (const { isEntry, fileName } of chunks.values()) if (isEntry) follow(fileName);
  return {
    page: weight([...atOnce].map((fileName) => chunks.get(fileName))),
    later: weight([...chunks.values()].filter(({ fileName }) => !atOnce.has(fileName))),
    worker: weight(
      output.filter(({ type, fileName }) => type === "asset" && fileName.endsWith(".js")),
    ),
  };
}

console.log("| what a page imports | page | Worker | when asked |");
console.log("| --- | --- | --- | --- |");
const kilobytes = (bytes) => (bytes === 0 ? "–" : `${(bytes / 1000).toFixed(1)} kB`);
for (const [name, source] of PAGES) {
  const { page, worker, later } = await sizes(source);
  console.log(`| ${name} | ${[page, worker, later].map(kilobytes).join(" | ")} |`);
}
