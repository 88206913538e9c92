/** The board of examples as a user sees it, on any of the views that have one. */

import { expect, type Locator, type Page } from "@playwright/test";

export class BoardPage {
  readonly page: Page;
  readonly board: Locator;
  readonly cards: Locator;
  readonly undo: Locator;

  constructor(page: Page) {
    this.page = page;
    this.board = page.locator("example-board");
    this.cards = this.board.locator(".examples > .example");
    this.undo = this.board.getByRole("button", { name: "Undo" });
  }

  /** Adds pictures, and gives each the text of its place. */
  async add(paths: readonly string[], texts: readonly string[]): Promise<void> {
    const before = await this.cards.count();
    await this.page.getByLabel("Add example photos").setInputFiles(paths);
    await expect(this.cards).toHaveCount(before + paths.length);
    for (const [i, text] of texts.entries()) {
      await this.page
        .getByLabel(new RegExp(`^(Caption|Answer) of example ${before + i + 1}$`))
        .fill(text);
    }
  }

  /** The texts of the cards, from the top. */
  async texts(): Promise<string[]> {
    return this.cards
      .getByRole("textbox", { name: /^(Caption|Answer) of/ })
      .evaluateAll((fields) => fields.map((field) => (field as HTMLTextAreaElement).value));
  }

  /** What the board's export writes. */
  async export(): Promise<string> {
    const [download] = await Promise.all([
      this.page.waitForEvent("download"),
      this.board.getByRole("button", { name: "Export" }).click(),
    ]);
    const parts: Buffer[] = [];
    for await (const part of await download.createReadStream()) parts.push(part as Buffer);
    return Buffer.concat(parts).toString();
  }

  async import(content: string): Promise<void> {
    await this.board.getByLabel("Import").setInputFiles({
      name: "board.json",
      mimeType: "application/json",
      buffer: Buffer.from(content),
    });
  }
}
