/** A folder under a path, by a server that sends no header but the type, unless told to: the least that a host does. */

import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

const TYPES: Record<string, string> = {
  css: "text/css",
  html: "text/html",
  js: "text/javascript",
  json: "application/json",
  svg: "image/svg+xml",
  wasm: "application/wasm",
  webmanifest: "application/manifest+json",
};

export class StaticServer {
  /** Paths that were asked for, in order. */
  readonly requests: string[] = [];
  /** Changes the text of a file, by its path in the folder. */
  readonly changes = new Map<string, (text: string) => string>();
  /** Whether the page is isolated from other origins, as by headers that many hosts let one set. */
  isolates = false;
  readonly #folder: string;
  readonly #path: string;
  readonly #server: Server;

  /** `path` begins and ends with a slash. */
  constructor(folder: string, path: string) {
    this.#folder = folder;
    this.#path = path;
    this.#server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://localhost");
      this.requests.push(pathname);
      const file = pathname === path ? "index.html" : pathname.slice(path.length);
      try {
        if (!pathname.startsWith(path) || file.includes("..")) throw new Error("not found");
        const body = readFileSync(`${this.#folder}/${file}`);
        const type = TYPES[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream";
        const change = this.changes.get(file);
        response.setHeader("Content-Type", type);
        if (this.isolates) {
          response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
          response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
        }
        response.end(change === undefined ? body : change(`${body}`));
      } catch {
        response.writeHead(404).end();
      }
    });
  }

  /** Starts it on a free port. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "localhost", resolve));
  }

  /** Address of the folder. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://localhost:${port}${this.#path}`;
  }

  /** From now on nobody answers. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
