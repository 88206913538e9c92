import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";
import { same } from "./react/same.js";
import { useCaption, useDecide, useFlamingo, useLiveCaption } from "./react.js";

test("a page is rendered on a server, where nothing is loaded and nothing breaks", () => {
  const Page = ({ source }: { source: string | undefined }) => {
    const { status, model, progress } = useFlamingo(source);
    const caption = useCaption(model, new Uint8Array(3), { shots: [{ text: "a dog" }] });
    const live = useLiveCaption(model, { current: null });
    const decision = useDecide(model, null, { type: "boolean" });
    const all = [status, progress, caption.status, live.status, decision.status, caption.text];
    return createElement("p", null, all.join(" "));
  };
  const render = (source?: string) => renderToString(createElement(Page, { source }));
  expect(render("model.json")).toBe("<p>loading 0 idle idle idle </p>");
  expect(render()).toBe("<p>idle 0 idle idle idle </p>");
});

test.each([
  [1, 1, true],
  [Number.NaN, Number.NaN, true],
  ["a", "b", false],
  [{ a: 1 }, { a: 1 }, true],
  [{ a: 1 }, { a: 2 }, false],
  [{ a: undefined }, { b: undefined }, false],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [[{ text: "a" }], [{ text: "a" }], true],
  [[1], [1, 2], false],
  [null, {}, false],
  // A picture is the same if it is the same object.
  [Uint8Array.of(1), Uint8Array.of(1), false],
  [new Blob(["a"]), new Blob(["a"]), false],
])("%o and %o", (a, b, expected) => {
  expect(same(a, b)).toBe(expected);
  expect(same({ deep: [a] }, { deep: [b] })).toBe(expected);
});
