/** The fields that one clicks together, and the JSON schema that they make. */

import type { JsonSchema } from "flamingo-web";

/** Kinds of fields. */
export const KINDS = [
  ["boolean", "Yes or no"],
  ["choice", "One of a list"],
  ["integer", "A count"],
  ["text", "A few words"],
] as const;

export type Kind = (typeof KINDS)[number][0];

/** A field as it stands in the form. */
export interface Field {
  readonly name: string;
  readonly kind: Kind;
  /** The values of a choice, with commas between them. */
  readonly values: string;
  /** The most that may be counted. */
  readonly most: number;
}

export const EMPTY: Field = { name: "", kind: "boolean", values: "", most: 10 };

/** Longest text of a field, in characters. */
const LONGEST_TEXT = 60;

/** The values of a choice: each once, without white space around it. */
export function valuesOf({ values }: Field): string[] {
  const texts = values.split(",").map((value) => value.trim());
  return [...new Set(texts)].filter((value) => value !== "");
}

/** Says what the fields lack; empty if nothing. */
export function lackOf(fields: readonly Field[]): string {
  const names = fields.map(({ name }) => name.trim());
  if (names.includes("")) return "Give every field a name.";
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) return `Two fields are called “${twice}”.`;
  const short = fields.find((field) => field.kind === "choice" && valuesOf(field).length < 2);
  if (short !== undefined) return `Give “${short.name.trim()}” two values or more.`;
  return "";
}

/** The schema of an object with these fields, all of them required. */
export function schemaOf(fields: readonly Field[]): JsonSchema {
  const names = fields.map(({ name }) => name.trim());
  return {
    type: "object",
    properties: Object.fromEntries(fields.map((field, i) => [names[i], partOf(field)])),
    required: names,
  };
}

function partOf(field: Field): JsonSchema {
  switch (field.kind) {
    case "boolean":
      return { type: "boolean" };
    case "choice":
      return { enum: valuesOf(field) };
    case "integer":
      return { type: "integer", minimum: 0, maximum: field.most };
    case "text":
      return { type: "string", minLength: 1, maxLength: LONGEST_TEXT };
  }
}
