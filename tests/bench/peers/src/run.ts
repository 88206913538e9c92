/** One discipline: every contestant loaded in a tab of its own, then measured in turns. */

import type { Browser, CDPSession, Page } from "playwright-core";
import type { Decoding } from "../page/contestant.js";
import type { ContestantPage } from "../page/main.js";
import type { Discipline, Entry } from "./contestants.js";

declare global {
  interface Window {
    readonly contestantPage: ContestantPage;
  }
}

/** Pictures are encoded so often a turn, and the fastest counts: one takes a few tens of milliseconds. */
const PICTURES = 5;

/** What a contestant did. */
export interface Result {
  readonly name: string;
  readonly file: string;
  readonly loadMs: number;
  /** Milliseconds a token or a picture, one a round. */
  readonly ms: readonly number[];
  readonly firstTokenMs: readonly number[];
  /** Processors that all of Chromium kept busy meanwhile, one a round. */
  readonly coresBusy: readonly number[];
  readonly promptTokens: number;
  readonly text: string;
  /** Why it could not take part. */
  readonly failure?: string;
}

interface Seat {
  readonly entry: Entry;
  readonly page: Page;
  readonly loadMs: number;
  readonly decodings: Decoding[];
  readonly encodings: number[];
  readonly coresBusy: number[];
}

export async function run(
  browser: Browser,
  discipline: Discipline,
  origin: string,
  rounds: number,
): Promise<Result[]> {
  const system = await browser.newBrowserCDPSession();
  const seats: Seat[] = [];
  const failures = new Map<Entry, string>();
  for (const entry of discipline.contestants) {
    const page = await browser.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") console.error(`${entry.name}: ${message.text()}`);
    });
    try {
      await page.goto(origin);
      const loadMs = await page.evaluate(
        (contestant) => window.contestantPage.load(contestant),
        entry.contestant,
      );
      const seat: Seat = { entry, page, loadMs, decodings: [], encodings: [], coresBusy: [] };
      // What is compiled at the first call is not measured.
      await measure(seat, discipline, system);
      const first = seat.decodings[0]?.msPerToken ?? seat.encodings[0] ?? 0;
      console.error(
        `${entry.name}: loaded in ${loadMs.toFixed(0)} ms, then ${first.toFixed(1)} ms`,
      );
      seat.decodings.length = 0;
      seat.encodings.length = 0;
      seat.coresBusy.length = 0;
      seats.push(seat);
    } catch (error) {
      console.error(`${entry.name}: ${error}`);
      failures.set(entry, `${error}`);
      await page.close();
    }
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const seat of seats) {
      await measure(seat, discipline, system);
    }
  }
  for (const { page } of seats) await page.close();
  await system.detach();
  return discipline.contestants.map((entry) => {
    const seat = seats.find((seat) => seat.entry === entry);
    return seat === undefined ? absent(entry, failures.get(entry) ?? "") : result(seat);
  });
}

function absent({ name, file }: Entry, failure: string): Result {
  return {
    name,
    file,
    loadMs: 0,
    ms: [],
    firstTokenMs: [],
    coresBusy: [],
    promptTokens: 0,
    text: "",
    failure,
  };
}

/** A turn of a contestant. */
async function measure(seat: Seat, discipline: Discipline, system: CDPSession): Promise<void> {
  await seat.page.bringToFront();
  const [started, busyBefore] = [performance.now(), await processorMs(system)];
  await turn(seat, discipline);
  const busy = (await processorMs(system)) - busyBefore;
  seat.coresBusy.push(busy / (performance.now() - started));
}

/** Processor time of all processes of the browser until now. */
async function processorMs(system: CDPSession): Promise<number> {
  const { processInfo } = await system.send("SystemInfo.getProcessInfo");
  return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime * 1000, 0);
}

async function turn(seat: Seat, { prompt, newTokens }: Discipline): Promise<void> {
  const { page, entry } = seat;
  if (entry.contestant.task === "encode") {
    const times: number[] = [];
    for (let picture = 0; picture < PICTURES; picture += 1) {
      times.push(await page.evaluate(() => window.contestantPage.encode()));
    }
    seat.encodings.push(Math.min(...times));
    return;
  }
  const decoding = await page.evaluate(
    ({ prompt, newTokens }) => window.contestantPage.decode(prompt, newTokens),
    { prompt, newTokens },
  );
  if (decoding.newTokens !== newTokens) {
    throw new Error(`${entry.name} wrote ${decoding.newTokens} tokens instead of ${newTokens}`);
  }
  seat.decodings.push(decoding);
}

function result({ entry, loadMs, decodings, encodings, coresBusy }: Seat): Result {
  const last = decodings.at(-1);
  return {
    name: entry.name,
    file: entry.file,
    loadMs,
    ms: last === undefined ? encodings : decodings.map(({ msPerToken }) => msPerToken),
    firstTokenMs: decodings.map(({ firstTokenMs }) => firstTokenMs),
    coresBusy,
    promptTokens: last?.promptTokens ?? 0,
    text: last?.text ?? "",
  };
}
