import { expect, test } from "vitest";
import { heldUntil, historyJson, type LiveCaption, webVtt, withCaption } from "./history.js";

const caption = (fromMs: number, text: string): LiveCaption => ({
  fromMs,
  toMs: fromMs,
  text,
  tokenIds: [1, 2],
  thumbnail: { name: text, frames: [new Blob()] },
});

const spans = (history: readonly LiveCaption[]) =>
  history.map(({ fromMs, toMs }) => [fromMs, toMs]);

test("a caption holds until the frame of the next one, the last until nothing new was seen", () => {
  let history = withCaption([], caption(100, "a"));
  history = heldUntil(history, 900);
  history = withCaption(history, caption(2500, "b"));
  history = heldUntil(history, 4000);
  expect(spans(history)).toEqual([
    [100, 2500],
    [2500, 4000],
  ]);
  expect(heldUntil([], 4000)).toEqual([]);
});

test("the oldest captions go first", () => {
  let history: readonly LiveCaption[] = [];
  for (let i = 0; i < 501; i++) history = withCaption(history, caption(i, `${i}`));
  expect(history).toHaveLength(500);
  expect(history[0]?.text).toBe("1");
});

test("WebVTT has a cue for each caption, in its words", () => {
  const history = [
    { ...caption(0, " a dog & a <cat>"), toMs: 2500 },
    { ...caption(2500, "\n"), toMs: 59_999.6 },
    { ...caption(60_000, "two\n\nlines --> here"), toMs: 3_723_004 },
  ];
  expect(webVtt(history)).toBe(
    [
      "WEBVTT",
      "",
      "00:00:00.000 --> 00:00:02.500",
      "a dog &amp; a &lt;cat&gt;",
      "",
      "00:01:00.000 --> 01:02:03.004",
      "two lines --&gt; here",
      "",
    ].join("\n"),
  );
});

test("a file without captions is a WebVTT file too", () => {
  expect(webVtt([])).toBe("WEBVTT\n");
});

test("JSON has the times in seconds, the tokens, and no pictures", () => {
  const started = new Date("2026-01-02T03:04:05Z");
  const json = historyJson([{ ...caption(1500, "a dog"), toMs: 2000 }], "tiny", started);
  expect(JSON.parse(json)).toEqual({
    model: "tiny",
    started: "2026-01-02T03:04:05.000Z",
    captions: [{ from: 1.5, to: 2, text: "a dog", tokenIds: [1, 2] }],
  });
});
