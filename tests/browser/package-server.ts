/** A server of plain files, as an embedder without a bundler has it. */

import { readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { POLICY } from "../../www/build/content-security-policy.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const MIME: Record<string, string> = {
  html: "text/html",
  js: "text/javascript",
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

/** How a server answers. */
export interface Answers {
  /** The content security policy; none by default. */
  readonly policy?: string;
  /** Sent with every answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers by itself where it says so. */
  readonly answers?: (path: string, response: ServerResponse, query: URLSearchParams) => boolean;
}

/**
 * Serves the clone, the package file by file and everything beside it, under the site's own
 * policy; `pages` are further HTML documents by path.
 */
export function servePackage(
  pages: Record<string, string>,
  { policy = POLICY, ...rest }: Answers = {},
): Promise<PackageServer> {
  // The frames of a video are tested with one that the page records, and with one that is served.
  const withMedia = policy.includes("media-src")
    ? policy.replace("media-src", "media-src 'self'")
    : `${policy}; media-src blob:`;
  return serveFolder(ROOT, pages, { policy: withMedia, ...rest });
}

/** Serves the files of a folder, which pages of other origins may read. */
export async function serveFolder(
  root: string,
  pages: Record<string, string> = {},
  { policy, headers = {}, answers = () => false }: Answers = {},
): Promise<PackageServer> {
  const server = createServer((request, response) => {
    const { pathname: path, searchParams } = new URL(request.url ?? "/", "http://localhost");
    if (policy !== undefined) response.setHeader("Content-Security-Policy", policy);
    response.setHeader("Access-Control-Allow-Origin", "*");
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (answers(path, response, searchParams)) return;
    const page = pages[path];
    if (page !== undefined) {
      response.setHeader("Content-Type", "text/html").end(page);
      return;
    }
    try {
      const body = readFileSync(join(root, path));
      const type = MIME[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
      response.setHeader("Content-Type", type).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://localhost:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
