/** Questions in a row, given answers, and fields that are filled in. */

import { expect, type Page, test } from "@playwright/test";
import { BoardPage } from "./board-page.js";
import { CaptionPage, TINY_MODEL } from "./caption-page.js";
import { PHOTOS } from "./fixtures.js";

const [PHOTO = "", OTHER_PHOTO = ""] = PHOTOS;

async function open(page: Page, view: "ask" | "choose" | "decide"): Promise<CaptionPage> {
  const app = new CaptionPage(page);
  await app.open(TINY_MODEL, "cpu", view);
  await app.ready();
  return app;
}

test.describe("Ask", () => {
  /** Asks, and waits for the answer, which is the last one on the page. */
  async function ask(page: Page, question: string): Promise<string> {
    const answers = page.locator(".turn output");
    const before = await answers.count();
    await page.getByLabel("Your question").fill(question);
    await page.getByLabel("Your question").press("Enter");
    await expect(answers).toHaveCount(before + 1);
    await expect(answers.last()).toHaveAttribute("data-phase", "done", { timeout: 60_000 });
    return answers.last().innerText();
  }

  const QUESTIONS = ["What is it?", "And where?", "Why?"];

  async function askAll(page: Page): Promise<string[]> {
    const answers: string[] = [];
    for (const question of QUESTIONS) answers.push(await ask(page, question));
    return answers;
  }

  test("keeps its turns, also in other views, until a new dialogue begins", async ({ page }) => {
    const app = await open(page, "ask");
    await app.choosePhoto(PHOTO);
    const answers = await askAll(page);
    await app.goTo("Choose");
    await app.goTo("Ask");
    await expect(page.locator(".turn output")).toHaveText(answers);
    await expect(page.locator(".turn .question")).toHaveText(QUESTIONS);

    await page.getByRole("button", { name: "New dialogue" }).click();
    await expect(page.locator(".turn")).toHaveCount(0);
    // Without the turns before it the same question has another answer.
    expect(await ask(page, "Why?")).not.toBe(answers[2]);
    await page.getByRole("button", { name: "New dialogue" }).click();
    expect(await askAll(page)).toEqual(answers);
  });

  test("takes its turns along when the examples change, and to another device", async ({
    page,
  }) => {
    const app = await open(page, "ask");
    const board = new BoardPage(page);
    await app.choosePhoto(PHOTO);
    const answers = await askAll(page);
    await page.getByRole("button", { name: "New dialogue" }).click();

    expect(await ask(page, QUESTIONS[0] ?? "")).toBe(answers[0]);
    await board.add([OTHER_PHOTO], ["a dog"]);
    await page.getByLabel("Question of example 1").fill("What is it?");
    await page.getByRole("button", { name: "Remove example 1" }).click();
    expect(await ask(page, QUESTIONS[1] ?? "")).toBe(answers[1]);
    await page.getByText("Auto", { exact: true }).click();
    await app.ready();
    expect(await ask(page, QUESTIONS[2] ?? "")).toBe(answers[2]);
  });

  test("imitates its examples, and asks for what they lack", async ({ page }) => {
    const app = await open(page, "ask");
    const board = new BoardPage(page);
    await app.choosePhoto(PHOTO);
    const alone = await ask(page, "What is it?");
    await page.getByRole("button", { name: "New dialogue" }).click();
    await board.add([OTHER_PHOTO], ["a dog"]);
    await expect(page.getByText("Give every example its question.")).toBeVisible();
    await expect(page.getByRole("button", { name: "Ask", exact: true })).toBeDisabled();
    await page.getByLabel("Question of example 1").fill("What is it?");
    expect(await ask(page, "What is it?")).not.toBe(alone);
  });

  test("an answer that was stopped stays, and is not remembered", async ({ page }) => {
    const app = await open(page, "ask");
    await app.choosePhoto(PHOTO);
    const first = await ask(page, "What is it?");
    await page.getByRole("button", { name: "New dialogue" }).click();
    // Pressed on the page itself: over the line the answer would be done before.
    await page.evaluate(() => {
      const observer = new MutationObserver(() => {
        const stop = [...document.querySelectorAll("button")].find(
          ({ textContent }) => textContent?.trim() === "Stop",
        );
        if (stop && document.querySelectorAll(".tokens li").length >= 2) {
          observer.disconnect();
          stop.click();
        }
      });
      observer.observe(document.body, { childList: true, subtree: true });
    });
    await page.getByLabel("Your question").fill("And where?");
    await page.getByLabel("Your question").press("Enter");
    await expect(page.getByText("the model does not remember this turn")).toBeVisible();
    expect(await ask(page, "What is it?")).toBe(first);
  });
});

test.describe("Choose", () => {
  async function choose(page: Page): Promise<number[]> {
    await page.getByRole("button", { name: "Choose", exact: true }).click();
    await expect(page.locator(".choices")).toHaveAttribute("data-phase", "done", {
      timeout: 60_000,
    });
    return page
      .locator(".choice meter")
      .evaluateAll((meters) => meters.map((meter) => (meter as HTMLMeterElement).value));
  }

  async function fill(page: Page, answers: readonly string[]): Promise<void> {
    for (let i = 3; i <= answers.length; i++) {
      await page.getByRole("button", { name: "Add an answer" }).click();
    }
    for (const [i, answer] of answers.entries()) {
      await page.getByLabel(`Answer ${i + 1}`, { exact: true }).fill(answer);
    }
  }

  test("gives every answer its probability, and the likeliest stands out", async ({ page }) => {
    const app = await open(page, "choose");
    await app.choosePhoto(PHOTO);
    await expect(page.getByText("Write every answer.")).toBeVisible();
    await fill(page, ["a dog", "two people in the snow", "a cat"]);
    const probabilities = await choose(page);
    expect(probabilities).toHaveLength(3);
    expect(probabilities.reduce((sum, value) => sum + value)).toBeCloseTo(1, 6);
    const best = probabilities.indexOf(Math.max(...probabilities));
    await expect(page.locator(".choice").nth(best)).toHaveClass("choice best");
    await expect(page.locator(".probability")).toHaveText(
      probabilities.map((value) => (value < 0.005 ? "< 1 %" : `${Math.round(value * 100)} %`)),
    );

    // What was found is not shown beside other answers.
    await page.getByLabel("Answer 1", { exact: true }).fill("a horse");
    await expect(page.locator(".probability").first()).toHaveText("–");
    await page.getByRole("button", { name: "Remove answer 3" }).click();
    const two = await choose(page);
    expect(two).toHaveLength(2);
    expect(two.reduce((sum, value) => sum + value)).toBeCloseTo(1, 6);
    await expect(page.getByRole("button", { name: "Remove answer 1" })).toBeDisabled();
  });

  test("weighs examples, questions and what answers score by themselves", async ({ page }) => {
    const app = await open(page, "choose");
    const board = new BoardPage(page);
    await app.choosePhoto(PHOTO);
    await fill(page, ["a dog", "two people in the snow"]);
    const seen = [await choose(page)];
    await page.getByLabel("Take away what each scores without a photo").check();
    seen.push(await choose(page));
    await board.add([OTHER_PHOTO], ["a dog"]);
    seen.push(await choose(page));
    await page.getByText("Questions and answers").click();
    await page.getByLabel("Question of example 1").fill("What is it?");
    await page.getByLabel("Question about the photo").fill("Who is there?");
    seen.push(await choose(page));
    expect(new Set(seen.map(([first]) => first)).size).toBe(seen.length);
  });
});

test.describe("Decide", () => {
  test("fills in fields of each kind with valid values, and shows their schema", async ({
    page,
  }) => {
    const app = await open(page, "decide");
    await app.choosePhoto(PHOTO);
    await expect(page.getByText("Give every field a name.")).toBeVisible();
    await page.getByLabel("Name of field 1").fill("a dog");
    const kinds = ["One of a list", "A count", "A few words"];
    for (const [i, kind] of kinds.entries()) {
      await page.getByRole("button", { name: "Add a field" }).click();
      await page.getByLabel(`Name of field ${i + 2}`).fill(`part ${i}`);
      await page.getByLabel(`Kind of field ${i + 2}`).selectOption(kind);
    }
    await expect(page.getByText("Give “part 0” two values or more.")).toBeVisible();
    await page.getByLabel("Values of field 2").fill("street, beach, forest");
    await page.getByLabel("up to").fill("3");
    await page.getByText("JSON schema").click();
    const schema = JSON.parse(await page.locator(".schema").innerText());
    expect(schema.properties["part 0"]).toEqual({ enum: ["street", "beach", "forest"] });
    expect(schema.properties["part 1"]).toEqual({ type: "integer", minimum: 0, maximum: 3 });
    expect(schema.required).toEqual(["a dog", "part 0", "part 1", "part 2"]);

    await page.getByRole("button", { name: "Fill in", exact: true }).click();
    const values = page.locator(".decision output");
    await expect(values).toHaveCount(4, { timeout: 60_000 });
    await expect(page.locator(".decision .field-name")).toHaveText(schema.required);
    const [dog, place, count, text] = await values.allInnerTexts();
    expect(["yes", "no"]).toContain(dog);
    expect(["street", "beach", "forest"]).toContain(place);
    expect(count).toMatch(/^[0-3]$/);
    expect(text).not.toBe("");
    const probabilities = await page
      .locator(".decision meter")
      .evaluateAll((meters) => meters.map((meter) => (meter as HTMLMeterElement).value));
    for (const probability of probabilities) expect(probability).toBeGreaterThan(0);

    // What was filled in is not shown beside other fields.
    await page.getByLabel("Name of field 1").fill("a cat");
    await expect(values).toHaveCount(0);
  });
});
