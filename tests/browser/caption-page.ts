/** The page as a user sees it. */

import { expect, type Locator, type Page } from "@playwright/test";
import type { ExamplePhoto } from "./fixtures.js";

export const TINY_MODEL = "models/tiny/model.json";
export const DEFAULT_MODEL = "models/flamingo-smollm2-135m/model.json";

/** A caption as the page shows it. */
export interface ShownCaption {
  readonly text: string;
  readonly tokenIds: readonly number[];
}

/** Empties the database of the page's origin; the models are kept elsewhere. */
async function forgetBoards(page: Page): Promise<void> {
  const url = page.url();
  if (!url.startsWith("http")) return;
  const browser = await page.context().newCDPSession(page);
  const { origin } = new URL(url);
  await browser.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
  await browser.detach();
}

export class CaptionPage {
  readonly page: Page;
  readonly status: Locator;
  readonly device: Locator;
  readonly output: Locator;
  readonly error: Locator;
  readonly captionButton: Locator;
  readonly stopButton: Locator;
  readonly tokens: Locator;

  constructor(page: Page) {
    this.page = page;
    this.status = page.locator(".status");
    this.device = page.locator(".device");
    this.output = page.locator("output");
    this.error = page.getByRole("alert");
    this.captionButton = page.getByRole("button", { name: "Caption", exact: true });
    this.stopButton = page.getByRole("button", { name: "Stop" });
    this.tokens = page.locator(".tokens li");
  }

  /** Opens the page with empty boards, whatever an earlier visit left there; at a view, where one is named. */
  async open(model: string, device: "auto" | "webgpu" | "cpu", view?: string): Promise<void> {
    await forgetBoards(this.page);
    const fragment = view === undefined ? "" : `#/${view}`;
    await this.page.goto(`./?${new URLSearchParams({ model, device })}${fragment}`);
  }

  /** Goes to another view, and waits until it has come: until then the one before is there. */
  async goTo(
    view: "Caption" | "Ask" | "Choose" | "Decide" | "Clip" | "Live" | "Models",
  ): Promise<void> {
    await this.page.getByRole("link", { name: view, exact: true }).click();
    await expect(this.page.locator(`main > ${view.toLowerCase()}-view`)).toBeVisible();
  }

  /** Waits for the model, however slow the download; an error of its loading fails at once. */
  async ready(timeout = 60_000): Promise<void> {
    await expect(this.status).toHaveAttribute("data-phase", /ready|failed/, { timeout });
    await expect(this.error).toHaveCount(0);
  }

  async choosePhoto(path: string): Promise<void> {
    await this.page.getByLabel(/^Choose (a|another) photo/).setInputFiles(path);
  }

  async addExamples(shots: readonly ExamplePhoto[]): Promise<void> {
    await this.page.getByLabel("Add example photos").setInputFiles(shots.map(({ path }) => path));
    for (const [i, { text }] of shots.entries()) {
      await this.page.getByLabel(`Caption of example ${i + 1}`).fill(text);
    }
  }

  /** Presses the button and waits for the end of the caption. */
  async caption(timeout = 60_000): Promise<ShownCaption> {
    await this.captionButton.click();
    // The page draws with the next frame: until then it shows the last caption as done.
    await this.page.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)));
    await expect(this.output).toHaveAttribute("data-phase", /done|failed/, { timeout });
    await expect(this.error).toHaveCount(0);
    return { text: await this.output.innerText(), tokenIds: await this.tokenIds() };
  }

  async tokenIds(): Promise<number[]> {
    return this.tokens.evaluateAll((items) =>
      items.map((item) => Number((item as HTMLElement).dataset.tokenId)),
    );
  }

  async heapBytes(): Promise<number> {
    return Number(await this.page.locator("[data-heap-bytes]").getAttribute("data-heap-bytes"));
  }
}
