import { expect, test } from "vitest";
import { EMPTY, lackOf, schemaOf } from "./fields.js";

const FIELDS = [
  { ...EMPTY, name: " a dog " },
  { ...EMPTY, name: "place", kind: "choice", values: "street, beach,, street ,field" },
  { ...EMPTY, name: "people", kind: "integer", most: 3 },
  { ...EMPTY, name: "colour of the sky", kind: "text" },
] as const;

test("fields make the schema of an object", () => {
  expect(schemaOf(FIELDS)).toEqual({
    type: "object",
    properties: {
      "a dog": { type: "boolean" },
      place: { enum: ["street", "beach", "field"] },
      people: { type: "integer", minimum: 0, maximum: 3 },
      "colour of the sky": { type: "string", minLength: 1, maxLength: 60 },
    },
    required: ["a dog", "place", "people", "colour of the sky"],
  });
  expect(lackOf(FIELDS)).toBe("");
});

test("what fields lack is said", () => {
  expect(lackOf([EMPTY])).toBe("Give every field a name.");
  const [dog, place] = FIELDS;
  expect(lackOf([dog, { ...place, name: "a dog" }])).toBe("Two fields are called “a dog”.");
  expect(lackOf([{ ...place, values: "street, street" }])).toBe("Give “place” two values or more.");
});
