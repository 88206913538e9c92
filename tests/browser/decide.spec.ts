/** Typed answers of the package: values that an independent validator finds valid. */

import { expect, type Page, test } from "@playwright/test";
import { Ajv2020 } from "ajv/dist/2020.js";
import type * as Package from "../../web/dist/index.js";
import { TINY_MODEL } from "./caption-page.js";
import { PHOTOS } from "./fixtures.js";
import { type PackageServer, pathInClone, servePackage } from "./package-server.js";
import { drawSchemas } from "./schemas.js";

const SCHEMAS = 300;

declare global {
  interface Window {
    flamingo: typeof Package;
    model: Package.Flamingo;
    photos: Blob[];
  }
}

let server: PackageServer;
let page: Page;

test.beforeAll(async ({ browser }) => {
  server = await servePackage({ "/": "<!doctype html><title>embed</title>" });
  page = await browser.newPage();
  await page.goto(server.origin);
  await page.evaluate(
    async ({ url, path }) => {
      window.flamingo = await import(/* @vite-ignore */ `${location.origin}/web/dist/index.js`);
      window.model = await window.flamingo.Flamingo.load(url, { device: "cpu" });
      window.photos = [await (await fetch(path)).blob()];
    },
    { url: `/${TINY_MODEL}`, path: pathInClone(PHOTOS[0] ?? "") },
  );
});

test.afterAll(async () => {
  await page.close();
  await server.close();
});

const decide = (schemas: readonly Package.JsonSchema[], options: Package.DecideOptions = {}) =>
  page.evaluate(
    async ({ schemas, options }) => {
      const session = window.model.session({ task: "visual-question" });
      const [photo = new Blob()] = window.photos;
      const decisions: (Package.Decision & { texts: string[] })[] = [];
      for (const schema of schemas) {
        const decision = await session.decide(photo, schema, options);
        decisions.push({ ...decision, texts: Object.keys(decision.value ?? {}) });
      }
      return decisions;
    },
    { schemas, options },
  );

test(`values of ${SCHEMAS} drawn schemas are valid`, async () => {
  test.setTimeout(180_000);
  const schemas = drawSchemas(7, SCHEMAS);
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const decisions = await decide(schemas, { maxNewTokens: 4 });
  expect(decisions).toHaveLength(SCHEMAS);
  for (const [i, decision] of decisions.entries()) {
    const schema = schemas[i] ?? {};
    const isValid = ajv.validate(schema, decision.value);
    const found = JSON.stringify(decision.value);
    expect(isValid, `${JSON.stringify(schema)} ${found} ${ajv.errorsText()}`).toBe(true);
    expect(decision.probability).toBeGreaterThanOrEqual(0);
    expect(decision.probability).toBeLessThanOrEqual(1);
    const product = decision.leaves.reduce((product, { probability }) => product * probability, 1);
    expect(decision.probability).toBeCloseTo(product, 12);
  }
});

test("members come in the schema's order, and closed ones as the session chooses them", async () => {
  const schema = {
    type: "object",
    properties: {
      zebra: { enum: ["a dog", "a cat", "a boat"], description: "What is it?" },
      animal: { type: "boolean" },
    },
  };
  const [decision] = await decide([schema]);
  expect(decision?.texts).toEqual(["zebra", "animal"]);
  const choices = await page.evaluate(async () => {
    const session = window.model.session({ task: "visual-question" });
    const [photo = new Blob()] = window.photos;
    const question = "What is it?";
    return session.choose(photo, ["a dog", "a cat", "a boat"], { question });
  });
  const best = choices.reduce((a, b) => (b.probability > a.probability ? b : a));
  expect(decision?.leaves[0]).toMatchObject({ path: "/zebra", value: best.text });
  expect(decision?.leaves[0]?.probability).toBeCloseTo(best.probability, 5);
});

test("what cannot be decided is refused by name, and nothing is lost", async () => {
  const messages = await page.evaluate(async () => {
    const { InvalidOptionError } = window.flamingo;
    const [photo = new Blob()] = window.photos;
    const shots = [{ image: photo, text: "no JSON" }];
    const sessions = [window.model.session(), window.model.session({ shots })];
    const schemas = [{ anyOf: [] }, { type: "object", properties: {} }];
    const told: string[] = [];
    for (const [i, session] of sessions.entries()) {
      try {
        await session.decide(photo, schemas[i] ?? {});
      } catch (error) {
        told.push(error instanceof InvalidOptionError ? error.message : `other: ${error}`);
      }
      told.push((await session.caption(photo, { maxNewTokens: 1 }).result).stopReason);
    }
    return told;
  });
  expect(messages[0]).toContain('"anyOf"');
  expect(messages[2]).toContain("Example 0");
  expect([messages[1], messages[3]]).toEqual(["max_new_tokens", "max_new_tokens"]);
});
