/** The places that keep files, each held to the same contract in a real browser. */

import { readFile } from "node:fs/promises";
import { expect, test } from "@playwright/test";
import type { FileStore } from "../../web/dist/storage/file-store.js";

const DIST = new URL("../../web/dist/", import.meta.url);

test.beforeEach(async ({ page }) => {
  await page.route("**/dist/**", async (route) => {
    const file = new URL(route.request().url()).pathname.replace(/^\/dist\//, "");
    const body = await readFile(new URL(file, DIST));
    // A sandboxed page is of no origin, and so of another than its modules.
    const headers = { "access-control-allow-origin": "*" };
    await route.fulfill({ contentType: "text/javascript", headers, body });
  });
  // A document of the same origin that does nothing by itself.
  await page.goto("./flamingo.svg");
});

for (const [kind, module] of [
  ["OpfsStore", "/dist/storage/opfs.js"],
  ["CacheStorageStore", "/dist/storage/cache-storage.js"],
  ["MemoryStore", "/dist/storage/memory.js"],
] as const) {
  test(`${kind} keeps files as the contract says`, async ({ page }) => {
    const outcome = await page.evaluate(
      async ([kind, module]) => {
        const Store = (await import(module))[kind];
        const open = async (): Promise<FileStore> => ("open" in Store ? Store.open() : new Store());
        const store = await open();
        const text = async (folder: string, name: string) =>
          (await store.read(folder, name))?.text();
        const sorted = async (folder: string) =>
          (await store.files(folder)).sort((a, b) => a.name.localeCompare(b.name));

        const empty = [await store.folders(), await store.files("a"), await text("a", "x")];
        await store.write("a", "x", new Blob(["one"]));
        await store.write("a", "y", new Blob(["three"]));
        await store.write("b", "x", new Blob([""]));
        const folders = (await store.folders()).sort();
        const written = [await sorted("a"), await text("a", "x"), await text("b", "x")];
        await store.write("a", "x", new Blob(["1"]));
        const overwritten = [await text("a", "x"), await text("a", "y")];
        // What is not there can be removed.
        await store.remove("a", "z");
        await store.remove("c", "x");
        await store.remove("c");
        await store.remove("a", "x");
        const removed = [await sorted("a"), await text("a", "x")];
        // One that was opened later sees the same, unless it is another memory.
        const later = kind === "MemoryStore" ? store : await open();
        await later.remove("a");
        return { empty, folders, written, overwritten, removed, left: await store.files("a") };
      },
      [kind, module] as const,
    );
    expect(outcome).toEqual({
      empty: [[], [], undefined],
      folders: ["a", "b"],
      written: [
        [
          { name: "x", bytes: 3 },
          { name: "y", bytes: 5 },
        ],
        "one",
        "",
      ],
      overwritten: ["1", "three"],
      removed: [[{ name: "y", bytes: 5 }], undefined],
      left: [],
    });
  });
}

for (const [kind, module, errors] of [
  // Where the write is cut off in its middle, Chromium now and then blames what is read.
  ["OpfsStore", "/dist/storage/opfs.js", /^(QuotaExceeded|NotReadable)Error$/],
  ["CacheStorageStore", "/dist/storage/cache-storage.js", /^QuotaExceededError$/],
] as const) {
  test(`${kind} refuses a file that does not fit, and leaves none of it`, async ({
    page,
    baseURL,
  }) => {
    const browser = await page.context().newCDPSession(page);
    const origin = new URL(baseURL ?? "").origin;
    await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1e6 });
    const [error, bytes] = await page.evaluate(
      async ([kind, module]) => {
        const store: FileStore = await (await import(module))[kind].open();
        const error = await store
          .write("a", "x", new Blob([new Uint8Array(2e6)]))
          .catch((error: unknown) => error);
        const bytes = (await store.files("a")).reduce((sum, file) => sum + file.bytes, 0);
        return [error instanceof DOMException ? error.name : "", bytes] as const;
      },
      [kind, module] as const,
    );
    expect(error).toMatch(errors);
    expect(bytes).toBe(0);
  });

  test(`${kind} cannot be opened where the page is sandboxed`, async ({ page }) => {
    await page.route("**/sandboxed", (route) =>
      route.fulfill({
        headers: { "content-security-policy": "sandbox allow-scripts" },
        contentType: "text/html",
        body: "<!doctype html><title>sandboxed</title>",
      }),
    );
    await page.goto("./sandboxed");
    const refusal = await page.evaluate(
      async ([kind, module]) =>
        (await import(module))[kind].open().catch((error: unknown) => `${error}`),
      [kind, module] as const,
    );
    expect(refusal).toContain("SecurityError");
  });
}
