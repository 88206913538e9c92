/** Released Flamingos in small: the Models view says what they are, and each task writes what the program writes. */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { violations } from "./axe.js";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { converted, RELEASED } from "./converted.js";
import { PHOTOS } from "./fixtures.js";
import { native } from "./native.js";

const [PHOTO = "", SHOT = "", OTHER_SHOT = ""] = PHOTOS;

/** They are asked a letter a token, and read 128 of them. */
const QUESTION = "Who?";
const CHOICES = ["a dog", "Two men"];
const SHOTS = [
  { path: SHOT, text: "a cat" },
  { path: OTHER_SHOT, text: "snow" },
];

for (const released of RELEASED) {
  const { family, format } = released;
  test(`${family} is told, and writes in its own format what the program writes`, async ({
    page,
  }) => {
    const folder = test.info().outputPath("model");
    const model = converted(released, folder);
    const program = async (task: string, ...args: string[]) => {
      const lines = await native([task, ...args, "--model", model, "--device", "cpu", "--json"]);
      return lines[0] as { text: string; token_ids: number[]; choices: Answer[] };
    };
    const app = new CaptionPage(page);
    await app.open(TINY_MODEL, "cpu", "models");
    await app.ready();
    await page.getByLabel("Choose a model's folder").setInputFiles(model);
    const card = page.locator('.model[data-current="true"]');
    await expect(card.locator(".family")).toHaveText(family);
    await expect(card.locator("code")).toHaveText(format);
    await expect(card).toContainText("runs on the CPU or on WebGPU");
    await expect(card).toContainText(/\d\.\d MB · \d MB of\s+memory/);
    await app.ready();
    expect(await violations(page)).toEqual([]);

    await app.goTo("Caption");
    await app.choosePhoto(PHOTO);
    const alone = await app.caption();
    expect(alone.tokenIds).toEqual((await program("caption", PHOTO)).token_ids);

    await app.goTo("Ask");
    await app.choosePhoto(PHOTO);
    await page.getByLabel("Your question").fill(QUESTION);
    await page.getByLabel("Your question").press("Enter");
    await expect(app.output).toHaveAttribute("data-phase", "done");
    expect(await app.tokenIds()).toEqual((await program("ask", PHOTO, QUESTION)).token_ids);

    await app.goTo("Choose");
    await app.choosePhoto(PHOTO);
    const { choices } = await program("choose", PHOTO, ...CHOICES);
    for (const [i, probability] of (await choose(page)).entries()) {
      const found = choices.find(({ answer }) => answer === CHOICES[i]);
      expect(probability).toBeCloseTo(found?.probability ?? Number.NaN, 6);
    }

    await app.goTo("Clip");
    const frames = [SHOT, PHOTO, OTHER_SHOT];
    await page.getByLabel(/^Choose a video/).setInputFiles(frames);
    await expect(page.getByRole("list", { name: "Frames" }).getByRole("listitem")).toHaveCount(3);
    expect((await app.caption()).tokenIds).toEqual(
      (await program("caption", folderOf(frames))).token_ids,
    );

    await app.goTo("Caption");
    await app.addExamples(SHOTS);
    const shown = await app.caption();
    expect(shown.tokenIds).toEqual(
      (await program("caption", PHOTO, "--shots", shotsFile())).token_ids,
    );
    // It reads its prompt.
    expect(shown.tokenIds).not.toEqual(alone.tokenIds);
  });
}

/** An answer with its probability, as the program tells it. */
interface Answer {
  readonly answer: string;
  readonly probability: number;
}

/** Probabilities of {@link CHOICES}, as the page shows them. */
async function choose(page: Page): Promise<number[]> {
  for (const [i, choice] of CHOICES.entries()) {
    await page.getByLabel(`Answer ${i + 1}`, { exact: true }).fill(choice);
  }
  await page.getByRole("button", { name: "Choose", exact: true }).click();
  await expect(page.locator(".choices")).toHaveAttribute("data-phase", "done");
  return page
    .locator(".choice meter")
    .evaluateAll((meters) => meters.map((meter) => (meter as HTMLMeterElement).value));
}

/** A folder of frames, which the program and the page read in the order of their names. */
function folderOf(frames: readonly string[]): string {
  const folder = test.info().outputPath("clip");
  mkdirSync(folder, { recursive: true });
  for (const frame of frames) copyFileSync(frame, join(folder, basename(frame)));
  return folder;
}

/** The list of {@link SHOTS}, as the program reads one. */
function shotsFile(): string {
  const file = test.info().outputPath("shots.jsonl");
  const lines = SHOTS.map(({ path, text }) => JSON.stringify({ image: path, text }));
  writeFileSync(file, lines.join("\n"));
  return file;
}
