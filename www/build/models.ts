import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import type { Connect, Plugin } from "vite";

/** Serves the packed models at `/models/`, beside the page in development and in preview. */
export function models(folder: string): Plugin {
  const serve: Connect.NextHandleFunction = async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    // `normalize` of an absolute path never leaves it.
    const file = join(folder, normalize(decodeURIComponent(pathname)));
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
      return;
    }
    response.writeHead(200, {
      "content-type": extname(file) === ".json" ? "application/json" : "application/octet-stream",
      "content-length": found.size,
      "cache-control": "no-cache",
    });
    createReadStream(file).pipe(response);
  };
  return {
    name: "models",
    configureServer: ({ middlewares }) => {
      middlewares.use("/models", serve);
    },
    configurePreviewServer: ({ middlewares }) => {
      middlewares.use("/models", serve);
    },
  };
}
