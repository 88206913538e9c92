/** The columns of the table, and the report as JSON. */

import { duration, megabytes } from "../format.js";
import type { Report, Row } from "./measure.js";
import type { Plan } from "./plan.js";

/** Figures of the whole run, each with its name. */
export function figures(report: Report): readonly (readonly [name: string, value: string])[] {
  const { memory, device } = report;
  const source = report.cachedBytes >= report.totalBytes ? "kept from an earlier visit" : "network";
  return [
    ["Load", `${duration(report.loadMs)}, ${megabytes(report.totalBytes)} (${source})`],
    ["Compile and warm up", duration(report.warmUpMs)],
    ["Encode an image", duration(report.encodeMs)],
    ["WebAssembly heap, peak", megabytes(memory.heapBytes)],
    ["Weights", megabytes(memory.weightBytes)],
    ...(device.kind === "webgpu"
      ? [["GPU memory, reserved", megabytes(memory.gpuBytesReserved)] as const]
      : []),
  ];
}

/** A column of the table: its head, and what it shows of a row. */
export const COLUMNS: readonly (readonly [head: string, cell: (row: Row) => string])[] = [
  ["Shots", ({ shots }) => `${shots}`],
  ["Tokens", ({ newTokens }) => `${newTokens}`],
  ["Prefill, new shots", ({ coldPrefillMs }) => duration(coldPrefillMs)],
  [
    "Prefill per shot",
    ({ prefillMsPerShot: perShot }) => (perShot === undefined ? "–" : duration(perShot)),
  ],
  ["First token, known shots", ({ warmFirstTokenMs }) => duration(warmFirstTokenMs)],
  ["Tokens kept", ({ reusedTokens }) => `${reusedTokens}`],
  ["Caption, known shots", ({ warmCaptionMs }) => duration(warmCaptionMs)],
  ["Tokens/s", ({ decodeTokensPerSecond }) => decodeTokensPerSecond.toFixed(1)],
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
