/** Errors of copying a model, beside the model's own. */

import { brief, describe } from "../errors.js";

/** There is no model at a path. */
export class SourceError extends Error {
  constructor(path: string, options: { readonly cause: unknown }) {
    super(
      `${brief(path)} cannot be read (${brief(describe(options.cause))}). Give the path of a model.json or of its folder, or an address that begins with http:// or https://.`,
      options,
    );
  }
}

/** A file lies where one of the model's would go, and is none of its files. */
export class FileInTheWayError extends Error {
  constructor(file: string, model: string) {
    super(
      `${brief(file)} is there already and is no file of ${brief(model)}. Choose another folder, move the file away, or have it replaced with --force.`,
    );
  }
}
