/** The board of examples: how they come, how they are arranged, and how they are kept. */

import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, type Locator, type Page, test } from "@playwright/test";
import { BoardPage } from "./board-page.js";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { PHOTOS, SHOTS } from "./fixtures.js";

const [PHOTO = "", OTHER_PHOTO = "", THIRD_PHOTO = ""] = PHOTOS;
const PATHS = [PHOTO, OTHER_PHOTO, THIRD_PHOTO];
const TEXTS = ["one", "two", "three"];
const PICTURE_URL = "https://pictures.example/dog.webp";

async function open(page: Page): Promise<BoardPage> {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu");
  await app.ready();
  return new BoardPage(page);
}

/** Drops a photo at a place, or pastes it there. */
function give(place: Locator, kind: "drop" | "paste", name: string): Promise<void> {
  return place.evaluate(
    (place, { kind, name, bytes }) => {
      const transfer = new DataTransfer();
      const file = new File([new Uint8Array(bytes)], name, { type: "image/webp" });
      transfer.items.add(file);
      const options = { bubbles: true, cancelable: true };
      place.dispatchEvent(
        kind === "drop"
          ? new DragEvent("drop", { dataTransfer: transfer, ...options })
          : new ClipboardEvent("paste", { clipboardData: transfer, ...options }),
      );
    },
    { kind, name, bytes: [...readFileSync(PHOTO)] },
  );
}

test("the photo to caption is dropped or pasted too, and is no example", async ({ page }) => {
  const { cards } = await open(page);
  await give(page.locator(".stage .drop"), "drop", "dropped.webp");
  await expect(page.getByLabel("Choose another photo than dropped.webp")).toHaveCount(1);
  // Wherever the user is on the page.
  await give(page.locator("body"), "paste", "pasted.webp");
  await expect(page.getByLabel("Choose another photo than pasted.webp")).toHaveCount(1);
  await expect(cards).toHaveCount(0);
});

test.describe("examples are added", () => {
  test("by dropping and by pasting files", async ({ page }) => {
    const { board, cards } = await open(page);
    for (const kind of ["drop", "paste"] as const) {
      await give(board.locator(".drop"), kind, "a.webp");
    }
    await expect(cards).toHaveCount(2);
    // Neither was taken for the photo to caption.
    await expect(page.getByLabel("Choose a photo")).toHaveCount(1);
  });

  test("by taking a photo and a clip with the camera", async ({ page }) => {
    const { board, cards } = await open(page);
    await board.getByRole("button", { name: "Camera" }).click();
    await page.getByRole("button", { name: "Take photo" }).click();
    await expect(cards).toHaveCount(1);
    await board.getByRole("button", { name: "Camera" }).click();
    await page.getByRole("button", { name: "Record clip" }).click();
    await expect(cards).toHaveCount(2, { timeout: 15_000 });
    await expect(cards.last()).toContainText("8 frames");
    await expect(page.locator("video")).toHaveCount(0);
  });

  test("by their address", async ({ page }) => {
    const { board, cards } = await open(page);
    const headers = { "access-control-allow-origin": "*" };
    await page.route("https://pictures.example/**", (route) =>
      route.request().url() === PICTURE_URL
        ? route.fulfill({ contentType: "image/webp", headers, body: readFileSync(PHOTO) })
        : route.fulfill({ contentType: "text/html", headers, body: "<html></html>" }),
    );
    await board.getByRole("button", { name: "Address" }).click();
    const address = board.getByLabel("Address of a picture or a video");
    await address.fill("https://pictures.example/page");
    await board.getByRole("button", { name: "Fetch" }).click();
    await expect(board.getByRole("alert")).toContainText("neither a picture nor a video");
    await address.fill(PICTURE_URL);
    await board.getByRole("button", { name: "Fetch" }).click();
    await expect(cards).toHaveCount(1);
    await expect(cards.getByRole("img")).toHaveAttribute("alt", "Example 1: dog.webp");
    await expect(board.getByRole("alert")).toHaveCount(0);
  });

  test("by an address whose name has a % in it and whose type says nothing", async ({ page }) => {
    const { board, cards } = await open(page);
    const headers = { "access-control-allow-origin": "*" };
    const contentType = "application/octet-stream";
    await page.route("https://pictures.example/**", (route) =>
      route.fulfill({ contentType, headers, body: readFileSync(PHOTO) }),
    );
    await board.getByRole("button", { name: "Address" }).click();
    const address = board.getByLabel("Address of a picture or a video");
    await address.fill("https://pictures.example/50%.jpg?size=full");
    await board.getByRole("button", { name: "Fetch" }).click();
    await expect(cards.getByRole("img")).toHaveAttribute("alt", "Example 1: 50%.jpg");
    await expect(board.getByRole("alert")).toHaveCount(0);
  });

  test("as what its bytes say, whatever it is called", async ({ page }) => {
    const { board, cards } = await open(page);
    const media = (name: string) => readFileSync(new URL(`media/${name}`, import.meta.url));
    await board.getByLabel("Add example photos").setInputFiles([
      { name: "a.mp4", mimeType: "video/mp4", buffer: media("photo.avif") },
      { name: "b.jpg", mimeType: "image/jpeg", buffer: media("colours.webm") },
    ]);
    await expect(cards).toHaveCount(2);
    await expect(cards.first().getByText(/frames/)).toHaveCount(0);
    await expect(cards.last().getByText("8 frames")).toBeVisible();
  });

  for (const [name, error, code] of [
    ["there is no camera", "NotFoundError", "no-camera"],
    ["the user refuses the camera", "NotAllowedError", "camera-refused"],
    ["another program has the camera", "NotReadableError", "camera-busy"],
  ] as const) {
    test(`not where ${name}, which is told with what to do`, async ({ page }) => {
      await page.addInitScript((error) => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", error));
      }, error);
      const { board, cards } = await open(page);
      await board.getByRole("button", { name: "Camera" }).click();
      const dialog = page.getByRole("dialog");
      await expect(dialog.getByRole("alert")).toHaveAttribute("data-code", code);
      await expect(dialog.getByRole("button", { name: "Take photo" })).toBeDisabled();
      await dialog.getByRole("button", { name: "Cancel" }).click();
      await expect(dialog).toHaveCount(0);
      await expect(cards).toHaveCount(0);
    });
  }
});

test("cards are moved, copied and removed by keyboard, and every step is undone", async ({
  page,
}) => {
  const board = await open(page);
  await board.add(PATHS, TEXTS);
  const steps: string[][] = [await board.texts()];
  const step = async (expected: string[]) => {
    await expect.poll(() => board.texts()).toEqual(expected);
    steps.push(expected);
  };

  const down = page.getByRole("button", { name: "Move example 1 down" });
  await down.focus();
  await page.keyboard.press("Enter");
  await step(["two", "one", "three"]);
  // The focus went with the card.
  await expect(page.getByRole("button", { name: "Move example 2 down" })).toBeFocused();
  await page.keyboard.press("Enter");
  await step(["two", "three", "one"]);
  await page.keyboard.press("Alt+ArrowUp");
  await step(["two", "one", "three"]);
  await expect(board.board.getByRole("status").last()).toHaveText("Moved to place 2 of 3");
  await page.getByRole("button", { name: "Duplicate example 1" }).press("Enter");
  await step(["two", "two", "one", "three"]);
  await page.getByRole("button", { name: "Remove example 4" }).press("Enter");
  await step(["two", "two", "one"]);
  await expect(page.getByRole("button", { name: "Remove example 3" })).toBeFocused();
  await page.getByLabel("Caption of example 3").fill("");
  await page.getByLabel("Caption of example 3").pressSequentially("eins");
  await step(["two", "two", "eins"]);
  await board.board.getByRole("button", { name: "Clear" }).click();
  await step([]);

  for (const before of steps.slice(0, -1).reverse()) {
    await board.undo.click();
    await expect.poll(() => board.texts()).toEqual(before);
  }
});

test("a card is dragged to another place", async ({ page }) => {
  const board = await open(page);
  await board.add(PATHS, TEXTS);
  await board.cards.nth(2).locator(".grip").dragTo(board.cards.nth(0).locator(".grip"));
  await expect.poll(() => board.texts()).toEqual(["three", "one", "two"]);
});

test("the board is there at the next visit", async ({ page }) => {
  const board = await open(page);
  await board.add(PATHS, TEXTS);
  const before = JSON.parse(await board.export());
  // It is written a moment after the last change.
  await expect.poll(() => keptTexts(page)).toEqual(TEXTS);
  await page.reload();
  await expect.poll(() => board.texts()).toEqual(TEXTS);
  expect(JSON.parse(await board.export())).toEqual(before);
  await expect(board.undo).toBeDisabled();
});

test("where the browser keeps nothing the board works, and says that it will be gone", async ({
  page,
}) => {
  await page.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException("refused", "SecurityError");
    };
  });
  const board = await open(page);
  await expect(board.board.locator('.notice[data-code="board-not-kept"]')).toContainText(
    "This browser does not keep your examples",
  );
  await board.add([PHOTO], ["one"]);
  expect(JSON.parse(await board.export()).examples).toHaveLength(1);
});

test("a disk that fills up is told on the board, until there is room again", async ({
  page,
  baseURL,
}) => {
  const board = await open(page);
  const notice = board.board.locator('.notice[data-code="board-not-kept"]');
  await expect(notice).toHaveCount(0);
  const browser = await page.context().newCDPSession(page);
  const { origin } = new URL(baseURL ?? "");
  await browser.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1 });
  await board.add([PHOTO], ["one"]);
  await expect(notice).toHaveCount(1);
  await browser.send("Storage.overrideQuotaForOrigin", { origin });
  await board.add([OTHER_PHOTO], ["two"]);
  await expect(notice).toHaveCount(0);
  await expect(board.cards).toHaveCount(2);
});

test("ready-made sets fill the board, and change what is asked for", async ({ page }) => {
  const pictures: string[] = [];
  page.on("request", (request) => {
    if (request.url().endsWith(".webp")) pictures.push(request.url());
  });
  const board = await open(page);
  await page.getByText("Ready-made sets").click();
  expect(pictures).toEqual([]);
  await page.getByRole("button", { name: /^Plain captions/ }).click();
  await expect(board.cards).toHaveCount(3);
  expect(pictures).toHaveLength(3);
  await expect(page.getByLabel("Question about the photo")).toHaveCount(0);

  await page.getByRole("button", { name: /^Question → answer/ }).click();
  await expect(page.getByLabel("Question of example 1")).toHaveValue("What is in the cup?");
  await expect.poll(() => board.texts()).toEqual(["coffee", "orange", "a camera"]);
  await page.getByLabel("Choose a photo").setInputFiles(PHOTO);
  await expect(page.getByText("Ask a question about it.")).toBeVisible();
  await page.getByLabel("Question about the photo").fill("Who is it?");
  await page.getByRole("button", { name: "Answer", exact: true }).click();
  await expect(page.locator("output")).toHaveAttribute("data-phase", "done", { timeout: 60_000 });

  for (const name of ["Short tags", "A made-up word", "Telegram"]) {
    await page.getByRole("button", { name }).click();
    await expect(page.getByLabel("Question of example 1")).toHaveCount(0);
    await expect.poll(async () => (await board.texts()).every((text) => text !== "")).toBe(true);
  }
});

test("a board goes into one file, and comes back from it as it was", async ({ page }) => {
  const board = await open(page);
  await page.getByText("Questions and answers").click();
  await board.add([PHOTO], ["a dog"]);
  await page.getByLabel("Question of example 1").fill("What is it?");
  const file = await board.export();
  expect(JSON.parse(file)).toEqual({
    format: "flamingo-examples",
    version: 1,
    asks: true,
    examples: [
      {
        name: basename(PHOTO),
        frames: [`data:image/webp;base64,${readFileSync(PHOTO).toString("base64")}`],
        question: "What is it?",
        text: "a dog",
      },
    ],
  });

  await board.board.getByRole("button", { name: "Clear" }).click();
  await page.getByText("Captions", { exact: true }).click();
  await board.import(file);
  await expect(page.getByLabel("Question of example 1")).toHaveValue("What is it?");
  expect(await board.export()).toBe(file);
});

test.describe("a file that is no board is refused by name", () => {
  const picture = "data:image/png;base64,iVBORw0KGgo=";
  const good = { name: "a", frames: [picture], text: "a dog" };
  const board = (examples: unknown) =>
    JSON.stringify({ format: "flamingo-examples", version: 1, asks: false, examples });
  const cases: [string, string, string][] = [
    ["no JSON", "{", "it is no JSON"],
    ["another file", "{}", '"format"'],
    [
      "a later version",
      board([]).replace('"version":1', '"version":2'),
      "version 2, and this page reads 1",
    ],
    ["no examples", board(7), '"examples" is no list'],
    ["an example that is none", board([good, null]), "examples[1] is no object"],
    ["an example without picture", board([{ ...good, frames: [] }]), "examples[0].frames"],
    ["an example without text", board([{ ...good, text: 1 }]), "examples[0].text is no text"],
    [
      "a picture elsewhere",
      board([{ ...good, frames: ["https://elsewhere.example/a.png"] }]),
      "examples[0].frames[0] is no picture",
    ],
    [
      "a script in place of a picture",
      board([{ ...good, frames: ["data:text/javascript;base64,YQ=="] }]),
      "examples[0].frames[0] is no picture",
    ],
    [
      "a damaged picture",
      board([{ ...good, frames: ["data:image/png;base64,*"] }]),
      "examples[0].frames[0] is not in base64",
    ],
  ];
  test("and leaves the board as it is", async ({ page }) => {
    const app = await open(page);
    await app.add([PHOTO], ["one"]);
    for (const [name, content, words] of cases) {
      await app.import(content);
      const error = app.board.getByRole("alert");
      await expect(error, name).toContainText(words);
      await expect(error).toHaveAttribute("data-code", "board-file");
      expect(await app.texts()).toEqual(["one"]);
    }
    await app.import(board([good]));
    await expect.poll(() => app.texts()).toEqual(["a dog"]);
    await expect(app.board.getByRole("alert")).toHaveCount(0);
  });
});

test.describe("a folder stands in for the board", () => {
  function folderOf(paths: readonly string[]): string {
    const folder = mkdtempSync(join(tmpdir(), "album-"));
    for (const path of paths) copyFileSync(path, join(folder, basename(path)));
    return folder;
  }

  test("and gives each photo those that look most like it", async ({ page }) => {
    const folder = folderOf([...PATHS, ...SHOTS.map(({ path }) => path)]);
    const lines = [...PATHS, ...SHOTS.map(({ path }) => path)].map((path, i) =>
      JSON.stringify({ image: basename(path), text: `text ${i}` }),
    );
    writeFileSync(join(folder, "captions.jsonl"), `${lines.join("\n")}\n`);
    const app = new CaptionPage(page);
    await open(page);
    await page.getByLabel("From a folder").setInputFiles(folder);
    await expect(page.getByText("All 5 pictures were looked at.")).toBeVisible({ timeout: 60_000 });
    await page.getByLabel("Examples for a query").fill("2");
    await page.getByLabel("Examples for a query").blur();
    for (const [i, photo] of PATHS.entries()) {
      await app.choosePhoto(photo);
      await app.caption();
      const nearest = page.locator(".nearest .example");
      await expect(nearest).toHaveCount(2);
      // What is most like it is itself, and stands last, next to the query.
      await expect(nearest.last()).toContainText(`text ${i}`);
    }
    await page.getByRole("button", { name: "Back to the cards" }).click();
    await expect(page.getByLabel("Add example photos")).toHaveCount(1);
  });

  test("with text files of the same name, and not without texts", async ({ page }) => {
    const folder = folderOf([PHOTO, OTHER_PHOTO]);
    await open(page);
    await page.getByLabel("From a folder").setInputFiles(folder);
    const error = page.locator("example-board").getByRole("alert");
    await expect(error).toHaveAttribute("data-code", "support-folder");
    await expect(error).toContainText("No picture of the folder has a text");

    writeFileSync(join(folder, basename(PHOTO).replace(".webp", ".txt")), "a dog\n");
    await page.getByLabel("From a folder").setInputFiles(folder);
    await expect(page.getByText("All 1 pictures were looked at.")).toBeVisible({ timeout: 60_000 });
  });
});

test("a token shows what else could have come, and where the model looked", async ({ page }) => {
  const app = new CaptionPage(page);
  await open(page);
  await app.choosePhoto(PHOTO);
  await app.caption();
  const token = app.tokens.getByRole("button").first();
  await token.click();
  await expect(token).toHaveAttribute("aria-pressed", "true");
  const rows = page.locator(".alternatives tr");
  await expect(rows).toHaveCount(5);
  await expect(page.locator(".alternatives .taken")).toHaveCount(1);
  const probabilities = await page
    .locator(".alternatives meter")
    .evaluateAll((meters) => meters.map((meter) => (meter as HTMLMeterElement).value));
  expect(probabilities).toEqual([...probabilities].sort((a, b) => b - a));
  expect(probabilities.reduce((sum, value) => sum + value)).toBeLessThanOrEqual(1);

  // The map covers the photo exactly, and is no single colour.
  const canvas = page.locator(".stage canvas.attention");
  expect(await canvas.boundingBox()).toEqual(await page.locator(".stage .frame img").boundingBox());
  const shades = await canvas.evaluate((canvas) => {
    const { width, height } = canvas as HTMLCanvasElement;
    const context = (canvas as HTMLCanvasElement).getContext("2d");
    const pixels = context?.getImageData(0, 0, width, height).data ?? [];
    return new Set([...pixels].filter((_, i) => i % 4 === 3)).size;
  });
  expect(shades).toBeGreaterThan(1);

  await token.click();
  await expect(rows).toHaveCount(0);
  await expect(canvas).toHaveCount(0);
});

test("a clip is captioned as one, with its map frame by frame", async ({ page }) => {
  const app = new CaptionPage(page);
  await open(page);
  const stage = page.locator(".stage");
  await stage.getByRole("button", { name: "Camera" }).click();
  await page.getByRole("button", { name: "Record clip" }).click();
  await expect(stage.locator(".frame")).toHaveCount(8, { timeout: 15_000 });
  const { tokenIds } = await app.caption();
  expect(tokenIds.length).toBeGreaterThan(0);
  await app.tokens.getByRole("button").first().click();
  await expect(stage.locator("canvas.attention")).toHaveCount(8);
});

/** The texts of the caption view's board in the browser's database. */
function keptTexts(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const database = await done(indexedDB.open("flamingo"));
    const board = await done(database.transaction("boards").objectStore("boards").get("caption"));
    database.close();
    return (board?.examples ?? []).map(({ text }: { text: string }) => text);
  });
}
