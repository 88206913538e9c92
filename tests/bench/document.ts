/** The places of `docs/benchmarks.md` that programs fill in. */

import { readFileSync, writeFileSync } from "node:fs";

const DOCUMENT = new URL("../../docs/benchmarks.md", import.meta.url);

/** Replaces what stands between the two comments of that name. */
export function fillIn(name: string, text: string): void {
  const [start, end] = [`<!-- measured: ${name} -->\n`, "<!-- end -->"];
  const document = readFileSync(DOCUMENT, "utf8");
  const from = document.indexOf(start);
  const to = document.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`docs/benchmarks.md has no place for “${name}”`);
  const filled = `${document.slice(0, from + start.length)}\n${text.trim()}\n\n${document.slice(to)}`;
  writeFileSync(DOCUMENT, filled);
}
