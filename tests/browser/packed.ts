/** The package as npm would publish it, unpacked into folders as an embedder has it. */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A folder of one's own, to be removed by {@link remove}. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), "flamingo-"));

  /** Copies a file or folder; `source` is absolute or in the clone. */
  copy(source: string, target: string): void {
    cpSync(resolve(ROOT, source), join(this.path, target), { recursive: true });
  }

  /** Packs the package and unpacks it into `target`. Returns the files that are in it. */
  install(target: string): string[] {
    const report = execFileSync(
      "npm",
      ["pack", "--workspace=web", "--json", "--pack-destination", this.path],
      // What else npm says is of no interest.
      { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    );
    const [{ filename, files }] = JSON.parse(report) as [
      { filename: string; files: { path: string }[] },
    ];
    const folder = join(this.path, target);
    mkdirSync(folder, { recursive: true });
    const archive = join(this.path, filename);
    execFileSync("tar", ["-xzf", archive, "--strip-components=1", "-C", folder]);
    rmSync(archive);
    return files.map(({ path }) => path);
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}
