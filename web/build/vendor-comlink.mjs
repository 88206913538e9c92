/**
 * Puts Comlink into `dist`, so that the folder runs as it lies on any static host: a bare "comlink"
 * means something to bundlers and to nobody else, and import maps do not reach Workers.
 */

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const DIST = new URL("../dist/", import.meta.url);
const COMLINK = new URL(".", import.meta.resolve("comlink"));

/** Files of Comlink, with the names they get here. */
const FILES = [
  ["../esm/comlink.mjs", "comlink.js"],
  ["comlink.d.ts", "comlink.d.ts"],
  ["protocol.d.ts", "protocol.d.ts"],
];

await mkdir(new URL("vendor/", DIST), { recursive: true });
for (const [file, name] of FILES) {
  const source = await readFile(new URL(file, COMLINK), "utf8");
  // Modules name their files in full, and there is no source map beside this copy.
  const text = source
    .replaceAll('"./protocol"', '"./protocol.js"')
    .replace(/^\/\/# sourceMappingURL=.*\n?/m, "");
  await writeFile(new URL(`vendor/${name}`, DIST), text);
}

for (const entry of await readdir(DIST, { withFileTypes: true })) {
  if (!entry.isFile() || !/\.(js|d\.ts)$/.test(entry.name)) continue;
  const file = new URL(entry.name, DIST);
  const source = await readFile(file, "utf8");
  const text = source.replaceAll(/(from|import)(\s*\(?)"comlink"/g, '$1$2"./vendor/comlink.js"');
  if (text !== source) await writeFile(file, text);
}

const left = (await readdir(DIST, { recursive: true })).filter((name) =>
  /\.(js|d\.ts)$/.test(name),
);
for (const name of left) {
  const source = await readFile(new URL(name, DIST), "utf8");
  if (source.includes('"comlink"')) {
    throw new Error(`${fileURLToPath(new URL(name, DIST))} still asks for "comlink"`);
  }
}
