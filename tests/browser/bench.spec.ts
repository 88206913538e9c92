/** The benchmark page with the tiny model. */

import { readFileSync } from "node:fs";
import { expect, type Page, test } from "@playwright/test";
import { violations } from "./axe.js";
import { TINY_MODEL } from "./caption-page.js";

/** Opens the page with a short plan in its address. */
async function open(page: Page, plan: Record<string, string>): Promise<void> {
  await page.goto(
    `./bench.html?${new URLSearchParams({ model: TINY_MODEL, device: "cpu", repeats: "1", ...plan })}`,
  );
}

const phase = (page: Page) => page.locator(".status").getAttribute("data-phase");

test("fills its table and plots, and saves what it measured", async ({ page }) => {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() !== "log") complaints.push(message.text());
  });
  await open(page, { shots: "2, 0", lengths: "2,4", int8: "on" });
  await page.getByRole("button", { name: "Measure" }).click();
  await expect.poll(() => phase(page), { timeout: 60_000 }).toMatch(/done|failed/);
  await expect(page.getByRole("alert")).toHaveCount(0);

  const rows = page.locator("tbody tr");
  const shown = await rows.evaluateAll((rows) =>
    rows.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent ?? "")),
  );
  expect(shown.map((cells) => cells.slice(0, 2))).toEqual([
    ["0", "2"],
    ["0", "4"],
    ["2", "2"],
    ["2", "4"],
  ]);
  for (const cells of shown) {
    for (const cell of cells) expect(cell).toMatch(/^(–|-?\d+(\.\d+)?( m?s|×| %)?)$/);
  }
  await expect(page.locator("dl.figures dd")).toHaveText([
    /^[\d.]+ m?s, 3\.1 MB/,
    /m?s$/,
    /m?s$/,
    /MB$/,
    /MB$/,
    /MB$/,
    /^[\d.]+ GB\/s$/,
  ]);

  // A line a series, a point a number of examples.
  await expect(page.locator(".plot polyline")).toHaveCount(7);
  await expect(page.locator(".plot circle")).toHaveCount(13);

  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save as JSON" }).click();
  const report = JSON.parse(readFileSync(await (await download).path(), "utf8"));
  expect(report.plan).toMatchObject({
    shots: [0, 2],
    lengths: [2, 4],
    repeats: 1,
    int8_activations: true,
  });
  expect(report.device.kind).toBe("cpu");
  expect(report.rows).toHaveLength(4);
  for (const row of report.rows) {
    expect(row.cold_prefill_ms).toBeGreaterThan(0);
    expect(row.decode_tokens_per_second).toBeGreaterThan(0);
    // The CPU has none, and says so.
    expect(row.dispatches_per_token).toBeUndefined();
  }
  // What cannot be held against a caption without examples is left out.
  expect(report.rows[0].times_bare_caption).toBeUndefined();
  expect(report.rows[2].times_bare_caption).toBeCloseTo(
    report.rows[2].warm_caption_ms / report.rows[0].warm_caption_ms,
  );
  expect(report.copy_bandwidth).toBeGreaterThan(1e6);
  expect(report.weight_bytes_per_token).toBeGreaterThan(0);
  expect(report.weight_bytes_per_token).toBeLessThan(report.memory.weight_bytes);
  // Examples that are known are not read again.
  expect(report.rows[2].reused_tokens).toBeGreaterThan(report.rows[0].reused_tokens);
  expect(report.memory.heap_bytes).toBeGreaterThan(report.memory.weight_bytes);
  expect(complaints).toEqual([]);
});

test("counts the dispatches of a token on WebGPU", async ({ page }) => {
  await open(page, { device: "webgpu", shots: "0", lengths: "3" });
  await page.getByRole("button", { name: "Measure" }).click();
  await expect.poll(() => phase(page), { timeout: 120_000 }).toMatch(/done|failed/);
  await expect(page.getByRole("alert")).toHaveCount(0);
  const heads = await page.locator("thead th").allTextContents();
  const cell = page.locator("tbody td").nth(heads.indexOf("Dispatches per token"));
  // A layer is six, a cross-attention block five, and the head and the embedding some more.
  const layers = await page.evaluate(async (model) => {
    const { config } = await (await fetch(model)).json();
    return config.language.layers;
  }, TINY_MODEL);
  const dispatches = Number(await cell.textContent());
  expect(dispatches).toBeGreaterThanOrEqual(6 * layers);
  expect(dispatches).toBeLessThanOrEqual(11 * layers + 4);
});

test("stops in the middle, keeps what it has, and starts again", async ({ page }) => {
  // The first of a hundred rounds shows the row, and the others take seconds.
  await open(page, { shots: "0", lengths: "256", repeats: "100" });
  await page.getByRole("button", { name: "Measure" }).click();
  await expect(page.locator("tbody tr")).toHaveCount(1, { timeout: 60_000 });
  await page.getByRole("button", { name: "Stop" }).click();
  await expect.poll(() => phase(page)).toBe("stopped");
  await expect(page.locator("tbody tr")).toHaveCount(1);

  await page.getByLabel("Tokens of a caption").fill("3");
  await page.getByRole("button", { name: "Measure" }).click();
  await expect.poll(() => phase(page), { timeout: 60_000 }).toBe("done");
  await expect(page.locator("tbody tr")).toHaveCount(1);
});

test("says what is wrong where there is no model", async ({ page }) => {
  await open(page, { model: "models/none/model.json" });
  await page.getByRole("button", { name: "Measure" }).click();
  await expect(page.getByRole("alert")).toContainText("404");
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`passes axe in ${colorScheme} colours, empty, full and with an error, on a phone too`, async ({
    page,
  }) => {
    await page.emulateMedia({ colorScheme });
    await open(page, { shots: "0,2", lengths: "2" });
    await expectNoViolations(page, "empty");
    await page.getByRole("button", { name: "Measure" }).click();
    await expect.poll(() => phase(page), { timeout: 60_000 }).toBe("done");
    await expectNoViolations(page, "full");
    await open(page, { model: "models/none/model.json" });
    await page.getByRole("button", { name: "Measure" }).click();
    await expect(page.getByRole("alert")).toHaveCount(1);
    await expectNoViolations(page, "failed");
  });
}

/** At both widths; the page scrolls sideways at neither. */
async function expectNoViolations(page: Page, state: string): Promise<void> {
  for (const size of [
    { width: 1280, height: 900 },
    { width: 360, height: 740 },
  ]) {
    await page.setViewportSize(size);
    expect(await violations(page), `${state} at ${size.width}`).toEqual([]);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow, `${state} at ${size.width} scrolls sideways`).toBeLessThanOrEqual(0);
  }
}
