/** The command line program, whose captions the page must equal. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const PROGRAM = process.env.FLAMINGO_CLI ?? join(ROOT, "target/release/flamingo");

/** A caption as the program tells it. */
export interface NativeCaption {
  readonly text: string;
  readonly tokenIds: readonly number[];
}

/** Runs the program, which answers in JSON. Returns the value of each line. */
export async function native(args: readonly string[]): Promise<unknown[]> {
  const { stdout } = await promisify(execFile)(PROGRAM, [...args], { cwd: ROOT });
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Greedy captions on the CPU, one a photo. `model` is a `model.json` below the clone. */
export async function nativeCaptions(
  model: string,
  photos: readonly string[],
  shotsFile?: string,
): Promise<NativeCaption[]> {
  const shots = shotsFile === undefined ? [] : ["--shots", shotsFile];
  const folder = model.slice(0, model.lastIndexOf("/"));
  const args = [...photos, ...shots, "--model", folder, "--device", "cpu", "--json"];
  const captions = (await native(["caption", ...args])) as { text: string; token_ids: number[] }[];
  return captions.map(({ text, token_ids }) => ({ text, tokenIds: token_ids }));
}

/** The token ids of {@link nativeCaptions}. */
export async function nativeTokenIds(
  ...request: Parameters<typeof nativeCaptions>
): Promise<number[][]> {
  return (await nativeCaptions(...request)).map(({ tokenIds }) => [...tokenIds]);
}
