/** Results as tables. */

import { markdown, median } from "../../table.js";
import type { Discipline } from "./contestants.js";
import type { Result } from "./run.js";

/** The names that the others are held against. */
export const OURS = "flamingo";
export const OURS_INT8 = "flamingo, int8 activations";

/** The results of a discipline, with the sizes of the files. */
export interface Outcome {
  readonly discipline: string;
  readonly task: "decode" | "encode";
  readonly results: readonly (Result & { readonly bytes: number })[];
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
export function table({ task, results }: Outcome): string {
  const decode = task === "decode";
  const ours = [OURS, OURS_INT8].flatMap(
    (name) => results.find((result) => result.name === name) ?? [],
  );
  const head = [
    "engine",
    "file",
    ...(decode ? ["tokens/s", "ms per token"] : ["ms per image"]),
    "fastest to slowest",
    ...(decode ? ["first token"] : []),
    "cores busy",
    ...ours.map(({ name }) => `${name} is`),
  ];
  const rows = results.map(({ name, bytes, ms, firstTokenMs, coresBusy, failure }) => {
    const file = `${(bytes / 1e6).toFixed(1)} MB`;
    if (failure !== undefined) return [name, file, "does not run here"];
    const middle = median(ms);
    return [
      name,
      file,
      ...(decode ? [(1000 / middle).toFixed(1)] : []),
      middle.toFixed(1),
      `${Math.min(...ms).toFixed(1)} to ${Math.max(...ms).toFixed(1)}`,
      ...(decode ? [`${median(firstTokenMs).toFixed(0)} ms`] : []),
      median(coresBusy).toFixed(1),
      ...ours.map((held) =>
        held.name === name ? "" : `${(middle / median(held.ms)).toFixed(2)}×`,
      ),
    ];
  });
  return markdown(head, rows);
}
