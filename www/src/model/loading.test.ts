import { expect, test } from "vitest";
import { awaited, loadingLine, type Told } from "./loading.js";

const MEGABYTE = 1_000_000;

/** What the page says of a loading that was told so much. */
function said(told: Told) {
  const loading = awaited(told);
  if (loading.phase === "failed") throw new Error("nothing that is told is a failure");
  const { words, object, figures, left } = loadingLine(loading);
  return [
    loading.phase,
    [`${words} ${object}`.trim(), figures, left].filter((part) => part !== "").join(" · "),
  ];
}

test("each phase has its words, and the figures that are known", () => {
  expect(said({})).toEqual(["starting", "Looking for the model …"]);
  const half = { done: 40.25 * MEGABYTE, total: 80.5 * MEGABYTE };
  expect(said({ downloaded: half })).toEqual([
    "downloading",
    "Downloading the model · 40.3 MB of 80.5 MB",
  ]);
  expect(said({ downloaded: half, remainingMs: 11_200 })).toEqual([
    "downloading",
    "Downloading the model · 40.3 MB of 80.5 MB · 12 s left",
  ]);
  const whole = { done: MEGABYTE, total: MEGABYTE };
  expect(said({ downloaded: whole })).toEqual(["building", "Making the model ready …"]);
});

test("what the GPU compiles is told once nothing else is waited for", () => {
  const compiled = { done: 1, total: 4 };
  expect(said({ compiled })).toEqual(["starting", "Looking for the model …"]);
  expect(said({ downloaded: { done: 1, total: 2 }, compiled })[0]).toBe("downloading");
  const downloaded = { done: 2, total: 2 };
  expect(said({ downloaded, compiled })).toEqual(["compiling", "Preparing the GPU · 1 of 4 steps"]);
  expect(said({ downloaded, compiled: { done: 4, total: 4 } })[0]).toBe("building");
});

test("what is counted has its amount for the bar, and nothing else has one", () => {
  const amounts = [
    { downloaded: { done: 1, total: 2 } },
    { downloaded: { done: 2, total: 2 }, compiled: { done: 3, total: 4 } },
    { downloaded: { done: 2, total: 2 } },
  ].map((told) => {
    const loading = awaited(told);
    return loading.phase === "failed" ? "failed" : loadingLine(loading).amount;
  });
  expect(amounts).toEqual([{ done: 1, total: 2 }, { done: 3, total: 4 }, undefined]);
});
