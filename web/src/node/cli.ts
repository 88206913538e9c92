/** The program `flamingo-web`. */

import { parseArgs } from "node:util";
import { describe } from "../errors.js";
import { copyModel } from "./copy-model.js";

const USAGE = `Usage: flamingo-web model SOURCE FOLDER [--force]

Copies a model into a folder for a static host and checks every file. SOURCE is the address or the
path of a model.json, or of its folder, or hf:owner/name@revision for one of the Hugging Face Hub. What lies in FOLDER already is not copied again; a file there
that is not the model's is not replaced, unless --force is given.

  npx flamingo-web model ../flamingo/models/flamingo-smollm2-135m public/models/flamingo-smollm2-135m
`;

/** The command that was asked for; `undefined` if there is no such command. */
function given() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { force: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    return { ...values, positionals };
  } catch {
    return undefined;
  }
}

const { force = false, help = false, positionals = [] } = given() ?? {};
const [command, source, folder, ...more] = positionals;
if (help || command === "help") {
  process.stdout.write(USAGE);
} else if (command !== "model" || !source || !folder || more.length > 0) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  try {
    const { name, totalBytes, kept, copied } = await copyModel(source, folder, { force });
    const megabytes = (totalBytes / 1e6).toFixed(1);
    const before = kept > 0 ? `, ${kept} were there` : "";
    console.log(`${folder}: ${name}, ${megabytes} MB, ${copied} shards copied${before}`);
  } catch (error) {
    console.error(`flamingo-web: ${describe(error)}`);
    process.exitCode = 1;
  }
}
