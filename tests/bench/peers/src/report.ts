/** Results as tables. */

import type { Discipline } from "./contestants.js";
import type { Result } from "./run.js";

/** The name that the others are held against. */
export const OURS = "flamingo";

/** The results of a discipline, with the sizes of the files. */
export interface Outcome {
  readonly discipline: string;
  readonly task: "decode" | "encode";
  readonly results: readonly (Result & { readonly bytes: number })[];
}

/** The middle one, the lower of two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

export function outcome(
  { name, contestants }: Discipline,
  results: readonly Result[],
  bytesOf: (file: string) => number,
): Outcome {
  return {
    discipline: name,
    task: contestants[0]?.contestant.task ?? "decode",
    results: results.map((result) => ({ ...result, bytes: bytesOf(result.file) })),
  };
}

/** A Markdown table; ratios above 1 say how much faster this project is. */
export function table({ discipline, task, results }: Outcome): string {
  const ours = median(results.find(({ name }) => name === OURS)?.ms ?? []);
  const decode = task === "decode";
  const head = decode
    ? ["engine", "file", "tokens/s", "ms per token", "fastest to slowest", "first token", "ours is"]
    : ["engine", "file", "ms per image", "fastest to slowest", "ours is"];
  const rows = results.map(({ name, bytes, ms, firstTokenMs, failure }) => {
    const file = `${(bytes / 1e6).toFixed(1)} MB`;
    if (failure !== undefined) return [name, file, "does not run here"];
    const middle = median(ms);
    const range = `${Math.min(...ms).toFixed(1)} to ${Math.max(...ms).toFixed(1)}`;
    const ratio = name === OURS ? "" : `${(middle / ours).toFixed(2)}×`;
    return decode
      ? [
          name,
          file,
          (1000 / middle).toFixed(1),
          middle.toFixed(1),
          range,
          `${median(firstTokenMs).toFixed(0)} ms`,
          ratio,
        ]
      : [name, file, middle.toFixed(1), range, ratio];
  });
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `### ${discipline}\n\n${lines.join("\n")}\n`;
}
