/** A model of the Hugging Face Hub, of which this is a mimic: nothing leaves the machine. */

import { fileURLToPath } from "node:url";
import { expect, type Page, test } from "@playwright/test";
import { type PackageServer, serveFolder } from "./package-server.js";

const CLONE = fileURLToPath(new URL("../..", import.meta.url));
const PAGE = `<!doctype html><link rel="icon" href="data:," /><script type="module">
  import { Flamingo } from "/web/dist/index.js";
  Object.assign(globalThis, { Flamingo });
</script>`;

let server: PackageServer;

test.beforeAll(async () => {
  server = await serveFolder(CLONE, { "/hub": PAGE });
});

test.afterAll(() => server.close());

interface Kept {
  readonly name: string;
  readonly kept: readonly string[];
}

/** Loads a model as a page does, and tells what is kept afterwards. */
function load(page: Page, source: string): Promise<Kept> {
  return page.evaluate(async (source) => {
    const { Flamingo } = globalThis as unknown as {
      Flamingo: typeof import("flamingo-web").Flamingo;
    };
    const model = await Flamingo.load(source, { device: "cpu" });
    const { name } = model.info;
    model.dispose();
    return { name, kept: (await Flamingo.cached()).map(({ url }) => url).sort() };
  }, source);
}

test("a revision is loaded, and kept by itself", async ({ page }) => {
  const asked: string[] = [];
  await page.route("https://huggingface.co/**", (route) => {
    const { pathname } = new URL(route.request().url());
    const [, revision = "", file = ""] =
      /^\/some-one\/tiny\/resolve\/(v1|v2)\/([\w.-]+)$/.exec(pathname) ?? [];
    if (file === "") return route.fulfill({ status: 404 });
    asked.push(`${revision}/${file}`);
    return route.fulfill({
      path: `${CLONE}/models/tiny/${file}`,
      headers: { "access-control-allow-origin": "*" },
    });
  });
  await page.goto(`${server.origin}/hub`);
  await page.waitForFunction(() => "Flamingo" in globalThis, undefined, { timeout: 10_000 });

  const address = (revision: string) =>
    `https://huggingface.co/some-one/tiny/resolve/${revision}/model.json`;
  const first = await load(page, "hf:some-one/tiny@v1");
  expect(first).toEqual({ name: "Flamingo tiny, random weights", kept: [address("v1")] });
  const files = asked.length;
  expect(files).toBeGreaterThan(1);

  // What is kept serves; only what names the files is asked for again.
  await load(page, "hf:some-one/tiny@v1");
  expect(asked.slice(files)).toEqual(["v1/model.json"]);

  // Another revision may be another model.
  const second = await load(page, "hf:some-one/tiny@v2");
  expect(second.kept).toEqual([address("v1"), address("v2")]);
  expect(asked.filter((file) => file.startsWith("v2/"))).toHaveLength(files);

  await expect(load(page, "hf:some-one/tiny@v3")).rejects.toThrow(/404/);
  await expect(load(page, "hf:some-one/tiny")).rejects.toThrow(/hf:owner\/name@revision/);
});
