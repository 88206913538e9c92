/**
 * What Lighthouse says of the served page, as a phone and as a desktop computer: a table on the
 * standard output. Usage: npm run bench -- [address], by default what `./x serve` serves.
 */

import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const CATEGORIES = ["performance", "accessibility", "best-practices"];
const METRICS = [
  "first-contentful-paint",
  "largest-contentful-paint",
  "total-blocking-time",
  "cumulative-layout-shift",
];

const address = process.argv[2] ?? "http://localhost:8080/";
const rows: string[][] = [];
for (const [device, config] of [
  ["phone", undefined],
  ["desktop", desktopConfig],
] as const) {
  // A browser of its own each time: nothing of the first visit is kept for the second.
  const chrome = await launch({
    chromePath: "/usr/bin/chromium",
    chromeFlags: ["--headless=new", "--no-sandbox"],
  });
  const result = await lighthouse(
    address,
    { port: chrome.port, onlyCategories: CATEGORIES, output: "json" },
    config,
  );
  chrome.kill();
  if (result === undefined) throw new Error(`Lighthouse gave no result for ${address}`);
  const { categories, audits } = result.lhr;
  rows.push([
    device,
    ...CATEGORIES.map((name) => String(Math.round(100 * (categories[name]?.score ?? 0)))),
    ...METRICS.map((name) => audits[name]?.displayValue ?? "–"),
  ]);
  for (const audit of Object.values(audits)) {
    if (audit.score !== null && audit.score < 0.5) console.error(`${device}: ${audit.title}`);
  }
}

const head = ["device", ...CATEGORIES, ...METRICS].map((name) => name.replaceAll("-", " "));
for (const row of [head, head.map(() => "---"), ...rows]) console.log(`| ${row.join(" | ")} |`);
