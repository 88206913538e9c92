/** What leaves the tab: nothing, unless the user gives an address. And what the page is held to. */

import { readFileSync } from "node:fs";
import { expect, type Page, test } from "@playwright/test";
import { BoardPage } from "./board-page.js";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { PHOTOS } from "./fixtures.js";

const [PHOTO = "", OTHER_PHOTO = ""] = PHOTOS;

/** A growing list of everything the browser asks for, the Worker's requests among it. */
function requestsOf(page: Page): string[] {
  const requests: string[] = [];
  page.context().on("request", (request) => requests.push(request.url()));
  page.on("websocket", (socket) => requests.push(socket.url()));
  return requests;
}

test("a whole visit without an address asks for nothing but the page's own files", async ({
  page,
  baseURL,
}) => {
  const requests = requestsOf(page);
  const app = new CaptionPage(page);
  const board = new BoardPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();

  // Caption: photo, camera, sample, every set, tokens, a file out and in.
  await app.choosePhoto(PHOTO);
  await page.getByText("Ready-made sets").click();
  for (const set of await page.locator(".sets button").all()) {
    await set.click();
    await expect.poll(async () => (await board.texts()).length).toBeGreaterThan(2);
  }
  await app.caption();
  await app.tokens.getByRole("button").first().click();
  await board.import(await board.export());
  const stage = page.locator(".stage");
  await stage.getByRole("button", { name: "Camera" }).click();
  await page.getByRole("button", { name: "Take photo" }).click();
  await expect(page.getByLabel(/^Choose another photo than photo from the camera/)).toHaveCount(1);
  await stage.getByRole("button", { name: "Sample" }).click();
  await expect(page.getByLabel(/^Choose another photo than astronaut/)).toHaveCount(1);
  await app.caption();

  // Every other view; two of them at work.
  const links = page.getByRole("navigation", { name: "Views" }).getByRole("link");
  for (const link of await links.all()) {
    await link.click();
    const view = (await link.getAttribute("href"))?.slice(2);
    await expect(page.locator(`main > ${view}-view h1`)).toBeVisible();
  }
  await app.goTo("Ask");
  await app.choosePhoto(OTHER_PHOTO);
  await page.getByLabel("Your question").fill("What is it?");
  await page.getByLabel("Your question").press("Enter");
  await expect(app.output).toHaveAttribute("data-phase", "done", { timeout: 60_000 });
  await app.goTo("Choose");
  await app.choosePhoto(OTHER_PHOTO);
  await page.getByLabel("Answer 1", { exact: true }).fill("a dog");
  await page.getByLabel("Answer 2", { exact: true }).fill("a cat");
  await page.getByRole("button", { name: "Choose", exact: true }).click();
  await expect(page.locator(".choices")).toHaveAttribute("data-phase", "done");

  const { origin } = new URL(baseURL ?? "");
  expect(requests.length).toBeGreaterThan(10);
  for (const url of requests) {
    if (url.startsWith(`blob:${origin}/`)) continue;
    expect(url.startsWith(`${origin}/`), url).toBe(true);
    // No address carries anything but the names of files, and of the page's own settings.
    const { search, pathname } = new URL(url);
    expect(search === "" || pathname === "/", url).toBe(true);
  }
});

test("an address that is given is asked once, and told nothing", async ({ page }) => {
  const asked: { url: string; headers: Record<string, string> }[] = [];
  await page.route("https://pictures.example/**", async (route) => {
    const request = route.request();
    asked.push({ url: request.url(), headers: await request.allHeaders() });
    await route.fulfill({
      contentType: "image/webp",
      headers: { "access-control-allow-origin": "*", "set-cookie": "who=me" },
      body: readFileSync(PHOTO),
    });
  });
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  await page.locator(".stage").getByRole("button", { name: "Address" }).click();
  await page.getByLabel("Address of a picture or a video").fill("https://pictures.example/a.webp");
  await page.getByRole("button", { name: "Fetch" }).click();
  await expect(page.getByLabel("Choose another photo than a.webp")).toHaveCount(1);
  await app.caption();
  expect(asked.map(({ url }) => url)).toEqual(["https://pictures.example/a.webp"]);
  expect(Object.keys(asked[0]?.headers ?? {})).not.toContain("cookie");
  expect(Object.keys(asked[0]?.headers ?? {})).not.toContain("referer");
  expect(await page.context().cookies()).toEqual([]);
});

test("the page runs no text as a script, shows none as markup, and starts no foreign Worker", async ({
  page,
}) => {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  const outcomes = await page.evaluate(async () => {
    const attempts: Record<string, () => unknown> = {
      markup: () => {
        document.body.innerHTML = "<b>x</b>";
      },
      evaluation: () => new Function("return 1")(),
      "foreign Worker": () => new Worker("https://elsewhere.example/worker.js"),
      "another policy": () =>
        (
          window as unknown as { trustedTypes: { createPolicy(name: string, rules: object): void } }
        ).trustedTypes.createPolicy("mine", {}),
      "foreign script": () =>
        new Promise((resolve, reject) => {
          const script = document.createElement("script");
          script.onload = resolve;
          script.onerror = () => reject(new TypeError("refused"));
          script.src = "https://elsewhere.example/script.js";
          document.head.append(script);
        }),
    };
    // What the test itself runs is excepted; what a timer runs is the page's.
    await new Promise((resolve) => setTimeout(resolve));
    const outcomes: Record<string, string> = {};
    for (const [name, attempt] of Object.entries(attempts)) {
      try {
        await attempt();
        outcomes[name] = "allowed";
      } catch (error) {
        outcomes[name] = (error as Error).name;
      }
    }
    return outcomes;
  });
  expect(outcomes).toEqual({
    markup: "TypeError",
    evaluation: "EvalError",
    "foreign Worker": "TypeError",
    "another policy": "TypeError",
    "foreign script": "TypeError",
  });
});

test("a script that was changed on its way is not run", async ({ page, request }) => {
  for (const name of ["index.html", "bench.html"]) {
    const text = await (await request.get(name)).text();
    const tags = text.match(/<(script|link)\b[^>]*\.(js|css)"[^>]*>/g) ?? [];
    expect(tags.length, name).toBeGreaterThan(1);
    for (const tag of tags) expect(tag).toMatch(/ integrity="sha384-[\w+/]{64}"/);
  }

  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await expect(page.locator("app-shell")).toHaveCount(1);
  await page.route("**/assets/index-*.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${await response.text()}\n// another` });
  });
  const complaint = page.waitForEvent("console", (message) => /integrity/.test(message.text()));
  await app.open(TINY_MODEL, "cpu");
  await complaint;
  await expect(page.locator("app-shell")).toHaveCount(0);
});
