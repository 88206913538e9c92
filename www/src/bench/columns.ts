/** The columns of the table, and the report as JSON. */

import { duration, megabytes } from "../format.js";
import { growthPerShot, type Report, type Row } from "./measure.js";
import type { Plan } from "./plan.js";

/** Figures of the whole run, each with its name. */
export function figures(report: Report): readonly (readonly [name: string, value: string])[] {
  const { memory, device } = report;
  const growth = growthPerShot(report.rows);
  const source = report.cachedBytes >= report.totalBytes ? "kept from an earlier visit" : "network";
  return [
    ["Load", `${duration(report.loadMs)}, ${megabytes(report.totalBytes)} (${source})`],
    ["Compile and warm up", duration(report.warmUpMs)],
    ["Encode an image", duration(report.encodeMs)],
    ...(growth === undefined
      ? []
      : [["Prefill per shot, most over least", `${growth.toFixed(2)}×`] as const]),
    ["WebAssembly heap, peak", megabytes(memory.heapBytes)],
    ["Weights", megabytes(memory.weightBytes)],
    ["Weights read per token", megabytes(report.weightBytesPerToken)],
    ["Copy bandwidth, read and written", gigabytesPerSecond(report.copyBandwidth)],
    ...(device.kind === "webgpu"
      ? [["GPU memory, reserved", megabytes(memory.gpuBytesReserved)] as const]
      : []),
  ];
}

/** What is not known, or does not exist. */
const NONE = "–";

function gigabytesPerSecond(bytes: number | undefined): string {
  return bytes === undefined ? NONE : `${(bytes / 1e9).toFixed(1)} GB/s`;
}

/** Bytes of weights that decoding reads in a second, as a share of what the device copies. */
function bandwidthShare(row: Row, { weightBytesPerToken, copyBandwidth }: Report): string {
  if (copyBandwidth === undefined) return NONE;
  const share = (weightBytesPerToken * row.decodeTokensPerSecond) / copyBandwidth;
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** A column of the table: its head, and what it shows of a row of a report. */
export const COLUMNS: readonly (readonly [
  head: string,
  cell: (row: Row, report: Report) => string,
])[] = [
  ["Shots", ({ shots }) => `${shots}`],
  ["Tokens", ({ newTokens }) => `${newTokens}`],
  ["Prefill, new shots", ({ coldPrefillMs }) => duration(coldPrefillMs)],
  [
    "Prefill per shot",
    ({ prefillMsPerShot: perShot }) => (perShot === undefined ? NONE : duration(perShot)),
  ],
  ["First token, known shots", ({ warmFirstTokenMs }) => duration(warmFirstTokenMs)],
  ["Tokens kept", ({ reusedTokens }) => `${reusedTokens}`],
  ["Caption, known shots", ({ warmCaptionMs }) => duration(warmCaptionMs)],
  [
    "Against no shots",
    ({ timesBareCaption: times }) => (times === undefined ? "–" : `${times.toFixed(2)}×`),
  ],
  ["Tokens/s", ({ decodeTokensPerSecond }) => decodeTokensPerSecond.toFixed(1)],
  ["Dispatches per token", ({ dispatchesPerToken }) => dispatchesPerToken?.toFixed(0) ?? NONE],
  ["Of the copy bandwidth", bandwidthShare],
];

/** The report with what it was measured on, its names spelled as `flamingo bench --json` spells them. */
export function toJson(plan: Plan, report: Report): string {
  const whole = {
    userAgent: navigator.userAgent,
    cores: navigator.hardwareConcurrency,
    plan,
    ...report,
  };
  return JSON.stringify(whole, snakeCase, 2);
}

function snakeCase(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, value]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}
