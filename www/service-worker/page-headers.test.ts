import { expect, test } from "vitest";
import { withPageHeaders } from "./page-headers.js";

test("a response stays what it is, and isolates the page under its policy", async () => {
  const response = withPageHeaders(
    new Response("body", {
      status: 203,
      headers: { "content-type": "text/html", "cross-origin-opener-policy": "unsafe-none" },
    }),
  );
  expect(response.status).toBe(203);
  expect(await response.text()).toBe("body");
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "text/html",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "content-security-policy": expect.stringContaining("default-src 'none'"),
  });
});
