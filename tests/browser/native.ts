/** The command line program, whose captions the page must equal. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROGRAM = process.env.FLAMINGO_CLI ?? "target/release/flamingo";

/** Greedy captions on the CPU, as token ids, one list a photo. `model` is a `model.json` below the clone. */
export async function nativeTokenIds(
  model: string,
  photos: readonly string[],
  shotsFile?: string,
): Promise<number[][]> {
  const shots = shotsFile === undefined ? [] : ["--shots", shotsFile];
  const folder = model.slice(0, model.lastIndexOf("/"));
  const { stdout } = await promisify(execFile)(
    PROGRAM,
    ["caption", ...photos, ...shots, "--model", folder, "--device", "cpu", "--json"],
    { cwd: ROOT },
  );
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { token_ids: number[] }).token_ids);
}
