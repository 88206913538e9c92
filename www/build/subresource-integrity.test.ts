import { expect, test } from "vitest";
import { withIntegrity } from "./subresource-integrity.js";

/** Of the bytes "abc", as FIPS 180-4 has it. */
const ABC = "sha384-ywB1P0WjXou1oD1pmsZQBycsMqsO3tFjGotgWkP/W+2AhgcroefMI1i67KE0yCWn";

test("scripts and styles of a page's own get their hashes, and nothing else does", () => {
  const page = [
    '<link rel="icon" href="./flamingo.svg" type="image/svg+xml" />',
    '<script type="module" crossorigin src="./assets/index-1.js"></script>',
    '<link rel="stylesheet" crossorigin href="./assets/index-1.css">',
    "<script>nothing</script>",
  ].join("\n");
  const asked: string[] = [];
  const hashed = withIntegrity(page, (file) => {
    asked.push(file);
    return new TextEncoder().encode("abc");
  });
  expect(asked).toEqual(["assets/index-1.js", "assets/index-1.css"]);
  expect(hashed.split("\n")).toEqual([
    '<link rel="icon" href="./flamingo.svg" type="image/svg+xml" />',
    `<script type="module" crossorigin src="./assets/index-1.js" integrity="${ABC}"></script>`,
    `<link rel="stylesheet" crossorigin href="./assets/index-1.css" integrity="${ABC}">`,
    "<script>nothing</script>",
  ]);
});
