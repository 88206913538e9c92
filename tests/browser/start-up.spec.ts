/** From the first byte to a model that is ready, and threads that end before their time. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { expect, type Page, test } from "@playwright/test";
import type * as Package from "../../web/dist/index.js";
import { TINY_MODEL } from "./caption-page.js";
import { PHOTOS } from "./fixtures.js";
import { nativeTokenIds } from "./native.js";
import { ISOLATION, type PackageServer, pathInClone, servePackage } from "./package-server.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PAGES = { "/": "<!doctype html><title>start-up</title>" };

/** Bytes of the tiny model's last shard, as it is cut here: weights only. */
const LAST_BYTES = 1 << 16;

/** The tiny model in two shards: what is held back is all of `last`. */
function inTwoShards() {
  const manifest = JSON.parse(readFileSync(`${ROOT}${TINY_MODEL}`, "utf8"));
  const whole = readFileSync(`${ROOT}models/tiny/${manifest.shards[0].file}`);
  const cut = whole.length - LAST_BYTES;
  const parts = { "first.bin": whole.subarray(0, cut), "last.bin": whole.subarray(cut) };
  const shards = Object.entries(parts).map(([file, body]) => ({
    file,
    bytes: body.length,
    sha256: createHash("sha256").update(body).digest("hex"),
  }));
  return { manifest: JSON.stringify({ ...manifest, shards }), ...parts };
}

interface Started {
  readonly events: readonly Package.LoadEvent[];
  readonly text: string;
}

/** Loads the model at `/model/`, asks for `/compiled` when all is compiled, and captions a photo. */
function start(page: Page, device: Package.DevicePreference): Promise<Started> {
  return page.evaluate(
    async ({ device, photo }) => {
      const { Flamingo }: typeof Package = await import(
        /* @vite-ignore */ `${location.origin}/web/dist/index.js`
      );
      const events: Package.LoadEvent[] = [];
      const model = await Flamingo.load("/model/model.json", {
        device,
        onProgress: (event) => {
          events.push(event);
          if (event.status === "compile" && event.done === event.total) void fetch("/compiled");
        },
      });
      const image = await (await fetch(photo)).blob();
      const { text } = await model.session().caption(image, { maxNewTokens: 3 }).result;
      model.dispose();
      return { events, text };
    },
    { device, photo: pathInClone(PHOTOS[0] ?? "") },
  );
}

/** The model's files; the last shard only after `/compiled`, where it is held back. */
function serveModel(heldBack: boolean): Promise<PackageServer> {
  const files = inTwoShards();
  let release = () => {};
  const released = heldBack
    ? new Promise<void>((resolve) => {
        release = resolve;
      })
    : Promise.resolve();
  const answers = (path: string, response: ServerResponse) => {
    if (path === "/compiled") {
      release();
      response.end();
    } else if (path === "/model/model.json") {
      response.setHeader("Content-Type", "application/json").end(files.manifest);
    } else if (path === "/model/first.bin") {
      response.end(files["first.bin"]);
    } else if (path === "/model/last.bin") {
      void released.then(() => response.end(files["last.bin"]));
    } else return false;
    return true;
  };
  return servePackage(PAGES, { headers: ISOLATION, answers });
}

test("on WebGPU, programs are compiled before the last weights have arrived", async ({ page }) => {
  // Were they not, this would wait for ever: the last shard comes when they are.
  const server = await serveModel(true);
  try {
    await page.goto(server.origin);
    const { events, text } = await start(page, "webgpu");
    expect(text).not.toBe("");
    const phases = events.map((event) => event.status);
    const compiled = events.flatMap((event) => (event.status === "compile" ? [event] : []));
    expect(compiled.map(({ done }) => done)).toEqual(compiled.map((_, i) => i + 1));
    expect(compiled.every(({ total }) => total === compiled.length)).toBe(true);
    expect(compiled).not.toHaveLength(0);
    const first = (status: Package.LoadEvent["status"]) => phases.indexOf(status);
    const last = (status: Package.LoadEvent["status"]) => phases.lastIndexOf(status);
    expect(first("initiate")).toBe(0);
    expect(first("cache")).toBeLessThan(first("device"));
    expect(first("device")).toBeLessThan(first("progress"));
    expect(first("progress")).toBeLessThan(first("compile"));
    expect(last("compile")).toBeLessThan(last("progress"));
    expect(last("progress")).toBeLessThan(last("done"));
    expect(last("done")).toBeLessThan(first("ready"));
    expect(last("ready")).toBe(phases.length - 1);
  } finally {
    await server.close();
  }
});

test("on the CPU there is nothing to compile", async ({ page }) => {
  const server = await serveModel(false);
  try {
    await page.goto(server.origin);
    const { events } = await start(page, "cpu");
    const phases = events.map((event) => event.status);
    expect(phases).not.toContain("compile");
    expect(phases.at(-1)).toBe("ready");
  } finally {
    await server.close();
  }
});

test("a thread that ends fails the call that waits for it", async ({ page }) => {
  // The thread's own way to say what ended it; a trap cannot be had from outside.
  const answers = (path: string, response: ServerResponse) => {
    if (path !== "/web/dist/thread.js") return false;
    const script = readFileSync(`${ROOT}web/dist/thread.js`, "utf8");
    const ending = script.replace("serve();", 'throw new Error("the test ended it");');
    expect(ending).not.toBe(script);
    response.setHeader("Content-Type", "text/javascript").end(ending);
    return true;
  };
  const server = await servePackage(PAGES, { headers: ISOLATION, answers });
  try {
    await page.goto(server.origin);
    const fault = await page.evaluate(
      async ({ url, photo }) => {
        const { Flamingo, FlamingoError }: typeof Package = await import(
          /* @vite-ignore */ `${location.origin}/web/dist/index.js`
        );
        const model = await Flamingo.load(url, { device: "cpu" });
        const image = await (await fetch(photo)).blob();
        try {
          await model.session().caption(image).result;
          return undefined;
        } catch (error) {
          if (!(error instanceof FlamingoError)) throw error;
          return { threads: model.device.threads, code: error.code, message: error.message };
        } finally {
          model.dispose();
        }
      },
      { url: `/${TINY_MODEL}`, photo: pathInClone(PHOTOS[0] ?? "") },
    );
    expect(fault?.threads).toBeGreaterThan(1);
    expect(fault?.code).toBe("internal");
    expect(fault?.message).toContain("a thread gave up: the test ended it");
  } finally {
    await server.close();
  }
});

for (const [refused, pages, threads, warnings] of [
  ["4 GiB at once, as on phones", 2 ** 15, "many", []],
  ["any memory that threads share", 0, "one", ["threads"]],
] as const) {
  test(`where a browser refuses ${refused}, ${threads} of them compute`, async ({ page }) => {
    const answers = (path: string, response: ServerResponse) => {
      if (path !== "/web/dist/worker.js") return false;
      const script = readFileSync(`${ROOT}web/dist/worker.js`, "utf8");
      const refusal = `
        const { Memory } = WebAssembly;
        WebAssembly.Memory = function (options) {
          if (options.maximum > ${pages}) throw new RangeError("could not allocate memory");
          return new Memory(options);
        };`;
      response.setHeader("Content-Type", "text/javascript").end(script + refusal);
      return true;
    };
    const server = await servePackage(PAGES, { headers: ISOLATION, answers });
    try {
      await page.goto(server.origin);
      const told = await page.evaluate(
        async ({ url, photo }) => {
          const { Flamingo }: typeof Package = await import(
            /* @vite-ignore */ `${location.origin}/web/dist/index.js`
          );
          const warnings: string[] = [];
          const model = await Flamingo.load(url, {
            device: "cpu",
            onProgress: (event) => {
              if (event.status === "warning") warnings.push(event.code);
            },
          });
          const image = await (await fetch(photo)).blob();
          const { tokenIds } = await model.session().caption(image).result;
          const { threads } = model.device;
          model.dispose();
          return { threads, warnings, tokenIds };
        },
        { url: `/${TINY_MODEL}`, photo: pathInClone(PHOTOS[0] ?? "") },
      );
      expect(told.threads > 1 ? "many" : "one").toBe(threads);
      expect(told.warnings).toEqual(warnings);
      expect([told.tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, PHOTOS.slice(0, 1)));
    } finally {
      await server.close();
    }
  });
}
