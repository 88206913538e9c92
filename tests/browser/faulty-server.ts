/** A server whose files go wrong on purpose, over real connections. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type PackageServer, servePackage } from "./package-server.js";

/** Number of shards that the tiny model is served in. */
export const SHARDS = 5;

/** Names of the shards. */
export const PARTS = Array.from({ length: SHARDS }, (_, i) => `part-${i}.bin`);

/** What may be wrong with a file. */
export type Fault =
  /** The connection breaks in the middle of the file. */
  | "cut"
  /** The connection breaks before the answer. */
  | "down"
  /** No answer ever comes. */
  | "stalled"
  /** A twentieth of the file each 50 ms. */
  | "slow"
  | "missing"
  /** A web page in its place. */
  | "html"
  /** A web page in its place that calls itself JSON. */
  | "disguised"
  /** The server is in trouble. */
  | "unavailable"
  /** One wrong bit. */
  | "damaged"
  /** One byte less. */
  | "short";

const MODEL = new URL("../../models/tiny/", import.meta.url);
const WASM = new URL("../../web/wasm/flamingo_bg.wasm", import.meta.url);

/** Serves the package and, at `/model/`, the tiny model in {@link SHARDS} shards. */
export class FaultyServer {
  /** Faults by the file's name: one for each request in turn, the last of which stays. None is a healthy answer. */
  readonly faults = new Map<string, readonly (Fault | undefined)[]>();
  /** Names of the shards that were asked for. */
  readonly requests: string[] = [];
  /** What `model.json` says otherwise than it should, by field. */
  manifest: Readonly<Record<string, unknown>> = {};
  /** Whether nothing answers any more. */
  down = false;
  /** The query that each request for the model must hold; nothing if anyone is let in. */
  token: string | undefined;
  readonly #files = modelFiles();
  #server: PackageServer | undefined;

  async start(): Promise<void> {
    const pages = { "/": "<!doctype html><title>faults</title>" };
    this.#server = await servePackage(pages, {
      answers: (path, response, query) => this.#answers(path, response, query),
    });
  }

  get origin(): string {
    return this.#server?.origin ?? "";
  }

  /** Length of a healthy file. */
  bytesOf(name: string): number {
    return this.#files.get(name)?.length ?? 0;
  }

  /** Mends everything and forgets what was asked for. */
  heal(): void {
    this.faults.clear();
    this.requests.length = 0;
    this.manifest = {};
    this.down = false;
    this.token = undefined;
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  #answers(path: string, response: ServerResponse, query: URLSearchParams): boolean {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (path === "/latest/model.json") {
      const token = new URLSearchParams({ token: this.token ?? "" });
      response.writeHead(302, { location: `/model/model.json?${token}` }).end();
      return true;
    }
    if (
      path.startsWith("/model/") &&
      this.token !== undefined &&
      query.get("token") !== this.token
    ) {
      response.writeHead(403).end();
      return true;
    }
    const body = this.#read(name);
    if (PARTS.includes(name)) this.requests.push(name);
    const [fault, ...later] = this.faults.get(name) ?? [];
    if (later.length > 0) this.faults.set(name, later);
    if (this.down) response.destroy();
    else if (fault !== undefined) void fail(fault, response, body);
    else if (body !== undefined) response.setHeader("Content-Type", type(name)).end(body);
    else return false;
    return true;
  }

  #read(name: string): Buffer | undefined {
    const body = this.#files.get(name);
    if (name !== "model.json" || body === undefined) return body;
    return Buffer.from(JSON.stringify({ ...JSON.parse(`${body}`), ...this.manifest }));
  }
}

const type = (name: string) =>
  ({ json: "application/json", wasm: "application/wasm" })[name.split(".").at(-1) ?? ""] ??
  "application/octet-stream";

async function fail(
  fault: Fault,
  response: ServerResponse,
  body: Buffer = Buffer.alloc(0),
): Promise<void> {
  const middle = body.length >> 1;
  switch (fault) {
    case "cut":
      response.writeHead(200, { "content-length": body.length }).write(body.subarray(0, middle));
      // What was written has to leave first.
      await pause(50);
      response.destroy();
      break;
    case "down":
      response.destroy();
      break;
    case "stalled":
      break;
    case "slow": {
      const step = Math.ceil(body.length / 20);
      response.writeHead(200, { "content-length": body.length });
      for (let start = 0; start < body.length && !response.destroyed; start += step) {
        response.write(body.subarray(start, start + step));
        await pause(50);
      }
      response.end();
      break;
    }
    case "missing":
      response.writeHead(404).end();
      break;
    case "html":
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
      break;
    case "disguised":
      response.writeHead(200, { "content-type": "application/json" }).end("<html>Log in</html>");
      break;
    case "unavailable":
      response.writeHead(503).end();
      break;
    case "damaged": {
      const changed = Buffer.from(body);
      changed[middle] = (changed[middle] ?? 0) ^ 1;
      response.end(changed);
      break;
    }
    case "short":
      response.end(body.subarray(1));
      break;
  }
}

/** The files by name: the model's, cut anew, and the module, which may go wrong as well. */
function modelFiles(): Map<string, Buffer> {
  const manifest = JSON.parse(readFileSync(new URL("model.json", MODEL), "utf8"));
  const shards = manifest.shards as { file: string }[];
  const read = ({ file }: { file: string }) => readFileSync(fileURLToPath(new URL(file, MODEL)));
  const whole = Buffer.concat(shards.map(read));
  const length = Math.ceil(whole.length / SHARDS);
  const parts = PARTS.map((_, i) => whole.subarray(i * length, (i + 1) * length));
  const entries = parts.map((part, i) => ({
    file: PARTS[i],
    bytes: part.length,
    sha256: createHash("sha256").update(part).digest("hex"),
  }));
  return new Map([
    ["model.json", Buffer.from(JSON.stringify({ ...manifest, shards: entries }))],
    ...parts.map((part, i) => [PARTS[i] ?? "", part] as const),
    ["flamingo_bg.wasm", readFileSync(WASM)],
  ]);
}
