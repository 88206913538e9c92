/** The exported page: under any path, without headers, and without its server. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, type Page, test } from "@playwright/test";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { PHOTOS } from "./fixtures.js";
import { nativeTokenIds } from "./native.js";
import { StaticServer } from "./static-server.js";

/** What `./x export` wrote, with the tiny model in it. */
const SITE =
  process.env.FLAMINGO_SITE ?? fileURLToPath(new URL("../../target/site", import.meta.url));
const [PHOTO = ""] = PHOTOS;
const QUERY = `?${new URLSearchParams({ model: TINY_MODEL, device: "cpu" })}`;

test.use({ serviceWorkers: "allow" });

let server: StaticServer;

test.beforeEach(async () => {
  server = new StaticServer(SITE, "/some/path/");
  await server.start();
});

test.afterEach(() => server.stop());

test("under a path and without headers it is isolated, and captions when its server is gone", async ({
  page,
}) => {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await openIsolated(page);
  const app = new CaptionPage(page);
  await app.ready();
  expect(server.requests.filter((path) => !path.startsWith("/some/path/"))).toEqual([]);
  await expect.poll(() => keptFiles(page)).toContainEqual(expect.stringMatching(/\.wasm$/));
  const kept = await keptFiles(page);
  expect(kept).toContain("/some/path/index.html");
  // Shards are kept by the package, and not a second time.
  expect(kept.filter((path) => path.includes("/models/"))).toEqual([]);

  await server.stop();
  await page.reload();
  await app.ready();
  await expect(page.locator('.notice[data-code="offline"]')).toBeVisible();
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  await app.choosePhoto(PHOTO);
  const { tokenIds } = await app.caption();
  expect([tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, [PHOTO]));
  // Views that were not gone to yet are there as well.
  for (const view of ["Live", "Clip", "Models"] as const) await app.goTo(view);
  expect(complaints).toEqual([]);
});

for (const [device, builds] of [
  ["cpu", ["threads"]],
  // The GPU is looked at, and is none.
  ["auto", ["threads", "webgpu"]],
] as const) {
  test(`a first visit on "${device}" fetches the modules that it uses, and these serve offline`, async ({
    page,
  }) => {
    server.isolates = true;
    const query = `?${new URLSearchParams({ model: TINY_MODEL, device })}`;
    await page.goto(server.url + query);
    const app = new CaptionPage(page);
    await app.ready();
    const modules = async () =>
      (await keptFiles(page)).flatMap((path) => /(\w+)-[\w-]{8}\.wasm$/.exec(path)?.[1] ?? []);
    await expect.poll(async () => (await modules()).sort()).toEqual(builds);
    const fetched = new Set(server.requests.filter((path) => path.endsWith(".wasm")));
    expect(fetched.size).toBe(builds.length);

    await server.stop();
    await page.reload();
    await app.ready();
    await app.choosePhoto(PHOTO);
    const { tokenIds } = await app.caption();
    expect([tokenIds]).toEqual(await nativeTokenIds(TINY_MODEL, [PHOTO]));
  });
}

test("whoever is at work already is not reloaded", async ({ page }) => {
  await page.goto(server.url + QUERY);
  await page.keyboard.press("Tab");
  await page.evaluate(() => Object.assign(window, { untouched: true }));
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await new CaptionPage(page).ready();
  expect(await page.evaluate(() => [crossOriginIsolated, "untouched" in window])).toEqual([
    false,
    true,
  ]);
});

test("a new version is announced and waits, and starts when it is asked to", async ({
  page,
  context,
}) => {
  await openIsolated(page);
  const app = new CaptionPage(page);
  await app.ready();
  const notice = page.getByRole("complementary", { name: "New version" });
  await expect(notice).toHaveCount(0);

  publish();
  await look(page);
  await expect(notice).toContainText("A new version");
  // Until then it is the old one, however often it is loaded.
  await page.reload();
  expect(await version(page)).toBe("old");
  await app.ready();

  // Another tab works with the files of the old one.
  const other = await context.newPage();
  await other.goto(server.url + QUERY);
  await notice.getByRole("button", { name: "Reload" }).click();
  await expect(notice).toContainText("other tabs");
  expect(await version(page)).toBe("old");
  await other.close();
  await notice.getByRole("button", { name: "Try again" }).click();
  await expect.poll(() => version(page).catch(() => "on its way")).toBe("new");
  await app.ready();
  await expect(notice).toHaveCount(0);
});

test("later is an answer too", async ({ page }) => {
  await openIsolated(page);
  await new CaptionPage(page).ready();
  publish();
  await look(page);
  const notice = page.getByRole("complementary", { name: "New version" });
  await notice.getByRole("button", { name: "Later" }).click();
  await expect(notice).toHaveCount(0);
  expect(await version(page)).toBe("old");
});

test("serve.py opens the folder from a stick, isolated from the first moment", async ({ page }) => {
  const python = spawn("python3", [`${SITE}/serve.py`, "--port", "0", "--no-browser"]);
  try {
    const [line] = await once(python.stdout, "data");
    const url = /http:\S+/.exec(`${line}`)?.[0] ?? "";
    const isolated: boolean[] = [];
    await page.exposeFunction("tellIsolated", (value: boolean) => isolated.push(value));
    await page.addInitScript(() => {
      (window as unknown as { tellIsolated(value: boolean): void }).tellIsolated(
        crossOriginIsolated,
      );
    });
    await page.goto(url + QUERY);
    const app = new CaptionPage(page);
    await app.ready();
    await app.choosePhoto(PHOTO);
    expect((await app.caption()).tokenIds.length).toBeGreaterThan(0);
    expect(isolated).toEqual([true]);
    const types = await page.evaluate(async () => {
      const type = async (file: string) => (await fetch(file)).headers.get("content-type");
      return [await type("site.webmanifest"), await type("service-worker.js")];
    });
    expect(types).toEqual(["application/manifest+json", "text/javascript; charset=utf-8"]);
  } finally {
    python.kill();
  }
});

test("it can be installed", async ({ page }) => {
  await page.goto(server.url + QUERY);
  await new CaptionPage(page).ready();
  const browser = await page.context().newCDPSession(page);
  const { errors, data } = await browser.send("Page.getAppManifest");
  expect(errors).toEqual([]);
  expect(JSON.parse(data ?? "{}")).toMatchObject({ name: "Flamingo", display: "standalone" });
  const { installabilityErrors } = await browser.send("Page.getInstallabilityErrors");
  // A private window, as tests have it, is the one thing that is in the way.
  expect(installabilityErrors.map(({ errorId }) => errorId)).toEqual(["in-incognito"]);
});

/**
 * The headers come from the service worker, and with the reload after it has come. Nothing is asked
 * of the page before: the browser would take that for the user's hand.
 */
async function openIsolated(page: Page): Promise<void> {
  await page.goto(server.url + QUERY);
  await page.waitForEvent("load", { timeout: 20_000 });
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
}

/** Paths of the files that the service worker keeps. */
const keptFiles = (page: Page): Promise<string[]> =>
  page.evaluate(async () => {
    const addresses: string[] = [];
    for (const name of await caches.keys()) {
      for (const { url } of await (await caches.open(name)).keys()) addresses.push(url);
    }
    return addresses.map((url) => new URL(url).pathname);
  });

/** Puts another version of the page on the server: its start page, and a service worker that lists it. */
function publish(): void {
  server.changes.set("index.html", (text) => text.replace("<head>", '<head data-version="new">'));
  server.changes.set("service-worker.js", (text) =>
    text.replace(/(index\.html`,revision:`)\w+/, "$1another"),
  );
}

/** Has the page look for a new version, as it does when its tab is seen again. */
async function look(page: Page): Promise<void> {
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
}

const version = (page: Page): Promise<string> =>
  page.evaluate(() => document.head.dataset.version ?? "old");
