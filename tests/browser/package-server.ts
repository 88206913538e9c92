/**
 * The package file by file, as an embedder without a bundler would serve it, under the site's own
 * policy; and beside it everything else in the clone.
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { POLICY } from "../../www/build/content-security-policy.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMLINK = "node_modules/comlink/dist/esm/comlink.mjs";

const MIME: Record<string, string> = {
  js: "text/javascript",
  mjs: "text/javascript",
  wasm: "application/wasm",
  json: "application/json",
};

export interface PackageServer {
  readonly origin: string;
  close(): Promise<void>;
}

/** The address, on the server, of a file of the clone. */
export const pathInClone = (file: string): string => file.slice(ROOT.length - 1);

/** What a server sends to isolate its pages from other origins, so that they may have threads. */
export const ISOLATION: Readonly<Record<string, string>> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/**
 * Starts a server; `pages` are the HTML documents by path. Pages of other origins may read
 * everything. `headers` are sent with every answer.
 */
export async function servePackage(
  pages: Record<string, string>,
  policy: string = POLICY,
  headers: Readonly<Record<string, string>> = {},
): Promise<PackageServer> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    response.setHeader("Content-Security-Policy", policy);
    response.setHeader("Access-Control-Allow-Origin", "*");
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const page = pages[path];
    if (page !== undefined) {
      response.setHeader("Content-Type", "text/html").end(page);
      return;
    }
    try {
      const body = readFileSync(`${ROOT}${path}`);
      const type = MIME[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
      response.setHeader("Content-Type", type);
      // Names of packages become addresses, as content delivery networks do it: import maps do
      // not reach Workers.
      const isScript = path.startsWith("/web/dist/");
      response.end(isScript ? `${body}`.replaceAll('"comlink"', `"/${COMLINK}"`) : body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://localhost:${port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
