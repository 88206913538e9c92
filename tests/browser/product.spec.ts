/** The page with the tiny model: what a user does, and what can go wrong. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, type Page, test } from "@playwright/test";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { PHOTOS, SHOTS } from "./fixtures.js";
import { nativeTokenIds } from "./native.js";

const [PHOTO = "", OTHER_PHOTO = ""] = PHOTOS;
const SHARD = "**/models/tiny/*.bin";

test("works under its policy, and asks nobody but its own server", async ({ page }) => {
  const complaints = listenForComplaints(page);
  const requests: string[] = [];
  page.context().on("request", (request) => requests.push(request.url()));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
      console.error(`violation of ${violatedDirective} by ${blockedURI}`);
    });
  });

  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  const afterLoading = requests.length;
  await app.choosePhoto(PHOTO);
  await app.addExamples(SHOTS);
  await app.caption();

  expect(complaints).toEqual([]);
  const origin = new URL(page.url()).origin;
  const strangers = requests.filter(
    (url) => !url.startsWith(`${origin}/`) && !url.startsWith(`blob:${origin}/`),
  );
  expect(strangers).toEqual([]);
  // What is shown afterwards are the user's own pictures.
  expect(requests.slice(afterLoading).filter((url) => !url.startsWith("blob:"))).toEqual([]);
});

test("auto takes the CPU where WebGPU is software, and says so", async ({ page }) => {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "auto");
  await app.ready();
  await expect(app.device).toHaveAttribute("data-device", "cpu");
  await expect(app.device).toContainText("software");
});

test("the download counts its bytes up to the whole", async ({ page }) => {
  const seen: string[] = [];
  await page.exposeFunction("seen", (text: string) => seen.push(text));
  await page.addInitScript(() => {
    new MutationObserver(() => {
      const figures = document.querySelector('[data-phase="downloading"] .figures');
      if (figures?.textContent)
        (window as unknown as { seen(text: string): void }).seen(figures.textContent);
    }).observe(document, { childList: true, characterData: true, subtree: true });
  });
  await page.route(SHARD, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue();
  });
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  expect(seen.length).toBeGreaterThan(0);
  for (const text of seen) expect(text).toMatch(/^\d+\.\d MB of \d+\.\d MB$/);
});

test("a caption streams, and shows its tokens and times", async ({ page }) => {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  await app.choosePhoto(PHOTO);
  await page.evaluate(() => {
    const output = document.querySelector("output");
    const lengths: number[] = [];
    Object.assign(window, { lengths });
    if (output === null) throw new Error("no output");
    new MutationObserver(() => {
      if (output.dataset.phase === "writing") lengths.push(output.textContent.length);
    }).observe(output, { childList: true, characterData: true, subtree: true });
  });
  const { text, tokenIds } = await app.caption();
  const lengths = await page.evaluate(() => (window as unknown as { lengths: number[] }).lengths);
  expect(tokenIds.length).toBeGreaterThan(0);
  expect(text).not.toBe("");
  // It grew in several steps, and never shrank.
  expect(new Set(lengths).size).toBeGreaterThan(2);
  expect(lengths).toEqual([...lengths].sort((a, b) => a - b));
  await expect(page.getByText("First token")).toBeVisible();
});

test("WebGPU and CPU write the same tokens, with and without examples", async ({ page }) => {
  const written: Record<string, (readonly number[])[]> = {};
  for (const device of ["cpu", "webgpu"] as const) {
    const app = new CaptionPage(page);
    await app.open(TINY_MODEL, device);
    await app.ready();
    await expect(app.device).toHaveAttribute("data-device", device);
    await app.choosePhoto(PHOTO);
    const bare = await app.caption();
    await app.addExamples(SHOTS);
    const shown = await app.caption();
    await app.choosePhoto(OTHER_PHOTO);
    const other = await app.caption();
    written[device] = [bare, shown, other].map(({ tokenIds }) => tokenIds);
  }
  expect(written.webgpu).toEqual(written.cpu);
});

test("the device can be changed on the page", async ({ page }) => {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  await page.getByText("WebGPU", { exact: true }).click();
  await expect(app.device).toHaveAttribute("data-device", "webgpu", { timeout: 60_000 });
  await app.ready();
  expect(new URL(page.url()).searchParams.get("device")).toBe("webgpu");
});

test("stop ends a caption within a few tokens, and the next one is whole", async ({ page }) => {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  await app.choosePhoto(PHOTO);
  const whole = await app.caption();
  expect(whole.tokenIds.length).toBeGreaterThan(20);

  // Stop as soon as there are three tokens, faster than a hand could.
  await page.evaluate(() => {
    const observer = new MutationObserver(() => {
      const stop = [...document.querySelectorAll("button")].find(
        ({ textContent }) => textContent?.trim() === "Stop",
      );
      // The tokens of the caption before stand there until the first of this one is drawn.
      const writing = document.querySelector("output")?.dataset.phase === "writing";
      if (stop && writing && document.querySelectorAll(".tokens li").length >= 3) {
        observer.disconnect();
        stop.click();
      }
    });
    observer.observe(document.body, { childList: true, subtree: true });
  });
  await app.captionButton.click();
  await expect(app.output).toHaveAttribute("data-phase", "stopped");
  const stopped = await app.tokenIds();
  expect(stopped.length).toBeGreaterThanOrEqual(3);
  expect(stopped.length).toBeLessThan(12);
  expect(stopped).toEqual(whole.tokenIds.slice(0, stopped.length));

  expect(await app.caption()).toEqual(whole);
});

test("another device in the middle of a caption stops it, and the next one is whole", async ({
  page,
}) => {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  await app.choosePhoto(PHOTO);
  const whole = await app.caption();
  await page.evaluate(() => {
    const observer = new MutationObserver(() => {
      const writing = document.querySelector("output")?.dataset.phase === "writing";
      if (writing && document.querySelectorAll(".tokens li").length >= 3) {
        observer.disconnect();
        document.querySelector<HTMLInputElement>('.devices input[value="auto"]')?.click();
      }
    });
    observer.observe(document.body, { childList: true, subtree: true });
  });
  await app.captionButton.click();
  await expect(app.output).toHaveAttribute("data-phase", "stopped");
  await app.ready();
  expect(await app.caption()).toEqual(whole);
});

test("a picture that is none is refused in words, and a good one still works", async ({ page }) => {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  const file = page.getByLabel("Choose a photo");
  await file.setInputFiles({ name: "x.jpg", mimeType: "image/jpeg", buffer: Buffer.from("no") });
  await app.captionButton.click();
  await expect(app.error).toHaveAttribute("data-code", "image");
  await app.choosePhoto(PHOTO);
  await app.caption();
});

test("an example without caption is asked for before anything runs", async ({ page }) => {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  await app.choosePhoto(PHOTO);
  await app.addExamples(SHOTS.map(({ path }) => ({ path, text: "" })));
  await expect(app.captionButton).toBeDisabled();
  await expect(page.getByText("Give every example its caption.")).toBeVisible();
  await page.getByRole("button", { name: "Remove example 2" }).click();
  await page.getByLabel("Caption of example 1").fill("A dog");
  await expect(app.captionButton).toBeEnabled();
});

test.describe("a download that fails says why", () => {
  const cases: [string, string, (page: Page) => Promise<unknown>][] = [
    ["a missing model", "http-status", (page) => fulfill(page, "**/model.json", { status: 404 })],
    [
      "a start page in place of the model",
      "html-instead-of-file",
      (page) => fulfill(page, "**/model.json", { contentType: "text/html", body: "<html></html>" }),
    ],
    [
      "a model.json that is none",
      "manifest",
      (page) => fulfill(page, "**/model.json", { contentType: "application/json", body: "{}" }),
    ],
    ["a missing shard", "http-status", (page) => fulfill(page, SHARD, { status: 404 })],
    [
      "a start page in place of a shard",
      "html-instead-of-file",
      (page) => fulfill(page, SHARD, { contentType: "text/html", body: "<html></html>" }),
    ],
    ["a damaged shard", "hash-mismatch", (page) => damage(page, (body) => flip(body))],
    ["a shard cut short", "shard-length", (page) => damage(page, (body) => body.subarray(1))],
    ["a cut connection", "network", (page) => page.route(SHARD, (route) => route.abort())],
  ];
  for (const [name, code, arrange] of cases) {
    test(name, async ({ page }) => {
      await arrange(page);
      const app = new CaptionPage(page);
      await app.open(TINY_MODEL, "cpu");
      await expect(app.error).toHaveAttribute("data-code", code, { timeout: 60_000 });
      await expect(app.error).not.toHaveText("");
      // The fault goes away; so does the error.
      await page.unrouteAll({ behavior: "wait" });
      await page.getByRole("button", { name: "Try again" }).click();
      await app.ready();
      await expectNativeCaption(app);
    });
  }
});

test("a shard that is damaged once is fetched again by itself", async ({ page }) => {
  const damaged = new Set<string>();
  await page.route(SHARD, async (route) => {
    const url = route.request().url();
    const response = await route.fetch();
    const body = await response.body();
    const first = !damaged.has(url);
    damaged.add(url);
    await route.fulfill({ response, body: first ? flip(body) : body });
  });
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  expect(damaged.size).toBeGreaterThan(0);
});

test.describe("what was fetched once is kept", () => {
  test("a second visit asks for no shard", async ({ page }) => {
    const requests = shardRequests(page);
    const app = new CaptionPage(page);
    await app.open(TINY_MODEL, "cpu");
    await app.ready();
    expect(requests.length).toBeGreaterThan(0);
    await app.choosePhoto(PHOTO);
    const first = await app.caption();
    requests.length = 0;

    await app.open(TINY_MODEL, "cpu");
    await app.ready();
    await app.choosePhoto(PHOTO);
    expect(await app.caption()).toEqual(first);
    expect(requests).toEqual([]);
    await expect(page.locator(".notice")).toHaveCount(0);
  });

  const faults = [
    ["has a wrong byte", "flip"],
    ["was cut short", "cut"],
  ] as const;
  for (const [name, fault] of faults) {
    test(`a shard that ${name} there heals`, async ({ page }) => {
      const requests = shardRequests(page);
      const app = new CaptionPage(page);
      await app.open(TINY_MODEL, "cpu");
      await app.ready();
      const { length } = requests.splice(0);
      expect(await damageKeptShards(page, fault)).toBe(length);

      await app.open(TINY_MODEL, "cpu");
      await app.ready();
      expect(requests.splice(0)).toHaveLength(length);
      // One that is too short is no shard yet, as after a write that was cut off.
      await expect(page.locator(".notice")).toHaveText(
        Array(fault === "flip" ? length : 0).fill(
          /^\S+\.bin was damaged where the browser keeps it, and is fetched again\.$/,
        ),
      );
      await expectNativeCaption(app);
      await app.open(TINY_MODEL, "cpu");
      await app.ready();
      expect(requests).toEqual([]);
    });
  }

  test("a download goes on behind the last whole shard when the tab was closed", async ({
    context,
    page,
  }) => {
    const requests = await serveInShards(page, 5);
    // The last shard never comes, as over a line that has gone.
    await page.route("**/part-4.bin", () => {});
    const app = new CaptionPage(page);
    await app.open(TINY_MODEL, "cpu");
    await expect.poll(() => keptShards(page), { timeout: 60_000 }).toBe(4);
    expect(requests).toHaveLength(4);
    await page.close();

    const reopened = await context.newPage();
    const asked = await serveInShards(reopened, 5);
    const later = new CaptionPage(reopened);
    await later.open(TINY_MODEL, "cpu");
    await later.ready();
    expect(asked).toEqual(["part-4.bin"]);
    await expectNativeCaption(later);
  });

  test("two tabs that load at once do not harm each other", async ({ context, page }) => {
    const other = await context.newPage();
    const apps = [new CaptionPage(page), new CaptionPage(other)];
    for (const { page } of apps) await serveInShards(page, 5);
    await Promise.all(apps.map((app) => app.open(TINY_MODEL, "cpu")));
    await Promise.all(apps.map((app) => app.ready()));
    for (const app of apps) {
      await expect(app.page.locator(".notice")).toHaveCount(0);
      await expectNativeCaption(app);
    }

    const asked = await serveInShards(page, 5);
    await apps[0]?.open(TINY_MODEL, "cpu");
    await apps[0]?.ready();
    expect(asked).toEqual([]);
  });

  test("with the server gone the model of the last visit serves", async ({ page }) => {
    const app = new CaptionPage(page);
    await app.open(TINY_MODEL, "cpu");
    await app.ready();
    await page.route("**/models/**", (route) => route.abort());
    await app.open(TINY_MODEL, "cpu");
    await app.ready();
    await expect(page.locator(".notice")).toHaveAttribute("data-code", "offline");
    await expectNativeCaption(app);
  });

  test("a full disk is no obstacle, and is told", async ({ page, baseURL }) => {
    const browser = await page.context().newCDPSession(page);
    const origin = new URL(baseURL ?? "").origin;
    await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1e6 });
    const requests = shardRequests(page);
    const app = new CaptionPage(page);
    await app.open(TINY_MODEL, "cpu");
    await app.ready();
    // Now and then Chromium says of the file system that the write failed, not why; then the next
    // storage, which has the same quota, names it.
    await expect(page.locator('.notice[data-code="quota"]')).toHaveCount(1);
    expect(await keptShards(page)).toBe(0);
    await expectNativeCaption(app);

    // The page's memory has it: another device costs no download.
    requests.length = 0;
    await page.getByText("WebGPU", { exact: true }).click();
    await expect(app.device).toHaveAttribute("data-device", "webgpu", { timeout: 60_000 });
    await app.ready();
    expect(requests).toEqual([]);
  });
});

test("a lost GPU costs a rebuild from what is kept, and no caption", async ({
  playwright,
  launchOptions,
  baseURL,
}) => {
  // A browser of its own: after the loss others would find no GPU in it.
  const browser = await playwright.chromium.launch(launchOptions);
  const page = await browser.newPage({ baseURL: baseURL ?? "" });
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "webgpu");
  await app.ready();
  await app.choosePhoto(PHOTO);
  const before = await app.caption();
  const requests = shardRequests(page);

  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const gpu = processInfo.find(({ type }) => type === "GPU");
  if (gpu === undefined) throw new Error("the browser has no GPU process");

  // In the middle of a caption: it goes on where it was.
  const again = app.caption();
  await expect(app.output).toHaveAttribute("data-phase", "writing");
  await expect.poll(() => app.tokens.count(), { intervals: [20] }).toBeGreaterThan(2);
  process.kill(gpu.id, "SIGKILL");
  expect(await again).toEqual(before);
  await expect(page.locator(".notice")).toHaveAttribute("data-code", "device-lost");
  await expect(app.device).toHaveAttribute("data-device", "webgpu");
  expect(requests).toEqual([]);
  await browser.close();
});

test("a device that is destroyed in the middle of a caption costs a rebuild, once, and no caption", async ({
  page,
}) => {
  // The Worker remembers the devices it is given; nothing else of it is changed.
  await page.route("**/assets/worker-*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${REMEMBER_DEVICES}\n${await response.text()}` });
  });
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "webgpu");
  await app.ready();
  await app.choosePhoto(PHOTO);
  const before = await app.caption();
  const requests = shardRequests(page);
  const workers = new Set(page.workers());
  page.on("worker", (worker) => workers.add(worker));
  const [first] = workers;

  const again = app.caption();
  await expect(app.output).toHaveAttribute("data-phase", "writing");
  await expect.poll(() => app.tokens.count(), { intervals: [20] }).toBeGreaterThan(2);
  const destroyed = await first?.evaluate(() => {
    const { devices } = globalThis as unknown as { devices: { destroy(): void }[] };
    for (const device of devices) device.destroy();
    return devices.length;
  });
  expect(destroyed).toBeGreaterThan(0);
  expect(await again).toEqual(before);
  await expect(page.locator(".notice")).toHaveAttribute("data-code", "device-lost");
  await expect(page.locator(".notice")).toHaveText(
    "The GPU went away, so the model is loaded again. What was being written goes on.",
  );
  expect(requests).toEqual([]);
  expect(workers.size).toBe(2);
  expect(page.workers()).not.toContain(first);
  await expect(app.device).toHaveAttribute("data-device", "webgpu");
  expect(await app.caption()).toEqual(before);
});

/** A script for the Worker: puts every device it gets into the list `devices`. */
const REMEMBER_DEVICES = `{
  const { requestDevice } = GPUAdapter.prototype;
  globalThis.devices = [];
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    globalThis.devices.push(device);
    return device;
  };
}`;

test("shards that are no model are told from a damaged download", async ({ page }) => {
  const body = Buffer.alloc(64, 1);
  await fulfill(page, SHARD, { contentType: "application/octet-stream", body });
  await fulfill(page, "**/model.json", {
    contentType: "application/json",
    body: JSON.stringify({
      format_version: 1,
      name: "none",
      licence: "MIT",
      estimated_memory_bytes: body.length,
      total_bytes: body.length,
      shards: [
        {
          file: "none.bin",
          bytes: body.length,
          sha256: createHash("sha256").update(body).digest("hex"),
        },
      ],
      required_gpu_limits: { max_buffer_size: 0, max_storage_buffer_binding_size: 0 },
    }),
  });
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await expect(app.error).toHaveAttribute("data-code", "invalid-model");
  await expect(app.error).toHaveText(
    "The shards are whole, but hold no model that runs here (not a GGUF file: it starts with the bytes [01, 01, 01, 01]). Publish the model folder anew with `flamingo convert`, or update flamingo-web.",
  );
  await page.unrouteAll({ behavior: "wait" });
  await page.getByRole("button", { name: "Try again" }).click();
  await app.ready();
  await expectNativeCaption(app);
});

/** Nothing was lost: the photo gets the program's tokens. */
async function expectNativeCaption(app: CaptionPage): Promise<void> {
  await app.choosePhoto(PHOTO);
  const { tokenIds } = await app.caption();
  expect([tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, [PHOTO]));
}

type Answer = { status?: number; contentType?: string; body?: string | Buffer };

const fulfill = (page: Page, url: string, answer: Answer) =>
  page.route(url, (route) => route.fulfill(answer));

const damage = (page: Page, change: (body: Buffer) => Buffer) =>
  page.route(SHARD, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: change(await response.body()) });
  });

/** A growing list of the shards that are asked for, by file name. */
function shardRequests(page: Page): string[] {
  const files: string[] = [];
  page.context().on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.endsWith(".bin")) files.push(pathname.slice(pathname.lastIndexOf("/") + 1));
  });
  return files;
}

/** Serves the tiny model cut into `count` shards. Returns the growing list of those that were served. */
async function serveInShards(page: Page, count: number): Promise<string[]> {
  const folder = new URL("../../models/tiny/", import.meta.url);
  const manifest = JSON.parse(readFileSync(new URL("model.json", folder), "utf8"));
  const whole = Buffer.concat(
    (manifest.shards as { file: string }[]).map(({ file }) =>
      readFileSync(fileURLToPath(new URL(file, folder))),
    ),
  );
  const length = Math.ceil(whole.length / count);
  const parts = Array.from({ length: count }, (_, i) =>
    whole.subarray(i * length, (i + 1) * length),
  );
  const shards = parts.map((part, i) => ({
    file: `part-${i}.bin`,
    bytes: part.length,
    sha256: createHash("sha256").update(part).digest("hex"),
  }));
  await fulfill(page, "**/models/tiny/model.json", {
    contentType: "application/json",
    body: JSON.stringify({ ...manifest, shards }),
  });
  const served: string[] = [];
  for (const [i, body] of parts.entries()) {
    await page.route(`**/part-${i}.bin`, async (route) => {
      served.push(`part-${i}.bin`);
      await route.fulfill({ contentType: "application/octet-stream", body });
    });
  }
  return served;
}

/** Number of shards in the page's origin private file system. */
const keptShards = (page: Page) => damageKeptShards(page, "not");

/** Flips a bit in the middle of each shard that is kept, or cuts it there. Returns their number. */
function damageKeptShards(page: Page, fault: "flip" | "cut" | "not"): Promise<number> {
  return page.evaluate(async (fault) => {
    const root = await navigator.storage.getDirectory();
    const models = await root.getDirectoryHandle("flamingo-models", { create: true });
    let shards = 0;
    for await (const model of models.values()) {
      for await (const entry of (model as FileSystemDirectoryHandle).values()) {
        if (!/^[0-9a-f]{64}$/.test(entry.name)) continue;
        const file = entry as FileSystemFileHandle;
        const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
        // One that is being written is empty until it is whole.
        shards += Math.sign(bytes.length);
        if (fault === "not") continue;
        const middle = bytes.length >> 1;
        bytes[middle] = (bytes[middle] ?? 0) ^ 1;
        const writable = await file.createWritable();
        await writable.write(fault === "cut" ? bytes.subarray(0, middle) : bytes);
        await writable.close();
      }
    }
    return shards;
  }, fault);
}

/** The same bytes but one. */
function flip(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  const middle = changed.length >> 1;
  changed[middle] = (changed[middle] ?? 0) ^ 1;
  return changed;
}

function listenForComplaints(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    // The service worker has tests of its own, in offline.spec.ts.
    if (message.text() === "Service Worker registration blocked by Playwright") return;
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return complaints;
}
