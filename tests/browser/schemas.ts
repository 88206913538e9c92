/** JSON schemas drawn by a seed: everything that can be decided, nested and bounded at random. */

import type { JsonSchema } from "../../web/dist/index.js";

/** Deepest nesting of objects and lists. */
const DEEPEST = 3;

const PATTERNS = [
  "^[A-Z]{2}-\\d{3}$",
  "\\w+@\\w+\\.(?:org|com)",
  "(?<year>\\d{4})-\\d\\d",
  "^a|b$",
  "[^\\s,]{2,9}",
  "\\u00e9+.",
] as const;

const WORDS = ["dog", "cat", "a red boat", "", "é", "none", "yes", '"', "0", "long ".repeat(20)];

/** Numbers from 0 to 1 by a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` schemas, the same for a seed. */
export function drawSchemas(seed: number, count: number): JsonSchema[] {
  const next = random(seed);
  const whole = (most: number) => Math.floor(next() * (most + 1));
  const chance = (share: number) => next() < share;
  const one = <T>(list: readonly T[]): T => {
    const item = list[whole(list.length - 1)];
    if (item === undefined) throw new Error("an empty list has no item");
    return item;
  };
  const some = <T>(list: readonly T[]): T[] => {
    const kept = list.filter(() => chance(0.4));
    return kept.length === 0 ? [one(list)] : kept;
  };

  const numberBounds = (isWhole: boolean) => {
    const scale = one([0.01, 1, 1, 30, 1e4, 1e12]);
    const at = (next() - 0.5) * scale;
    const least = isWhole ? Math.round(at) : at;
    const most = least + (isWhole ? whole(one([0, 5, 100, 1e6])) : (0.05 + next()) * scale);
    return {
      ...(chance(0.7) && { minimum: least }),
      ...(chance(0.7) && { maximum: most }),
      ...(!isWhole && chance(0.1) && { exclusiveMaximum: most + scale }),
      ...(isWhole && chance(0.1) && { exclusiveMinimum: least - 1 }),
    };
  };

  const text = (): JsonSchema => {
    if (chance(0.3)) return { type: "string", pattern: one(PATTERNS) };
    if (chance(0.3)) return { type: "string" };
    const minLength = whole(8);
    return {
      type: "string",
      ...(chance(0.6) && { minLength }),
      ...(chance(0.6) && { maxLength: minLength + whole(9) }),
    };
  };

  const closed = (): JsonSchema =>
    one<() => JsonSchema>([
      () => ({
        enum: [...new Set([...some(WORDS), ...(chance(0.3) ? [null, true, 4, 1.5] : [])])],
      }),
      () => ({ type: "integer", enum: [1, 2.5, 3, "4"], minimum: 1 }),
      () => ({ type: "string", enum: ["ab", "b", "abc"], pattern: "b", minLength: 2 }),
      () => ({ const: one([...WORDS, null, false, -7.25]) }),
      () => ({ type: "boolean" }),
      () => ({ type: "null" }),
      () => ({ type: "integer", minimum: -2, maximum: whole(20) }),
    ])();

  const leaf = (): JsonSchema =>
    one<() => JsonSchema>([
      closed,
      closed,
      text,
      () => ({ type: "integer", ...numberBounds(true) }),
      () => ({ type: "number", ...numberBounds(false) }),
    ])();

  const node = (depth: number, isRoot = false): JsonSchema => {
    const described = chance(0.2) ? { description: one(["How many?", "kind of animal", ""]) } : {};
    if (depth > 0 && (isRoot || chance(0.35))) {
      const names = some(["has_tail", "hairColor", "a/b", "~tilde", "2nd", "weight"]);
      const properties = Object.fromEntries(names.map((name) => [name, node(depth - 1)]));
      if (chance(0.2)) Object.assign(properties, { shared: { $ref: "#/$defs/shared" } });
      return {
        type: "object",
        ...described,
        properties,
        ...(chance(0.5) && { required: names.slice(whole(names.length)) }),
        ...(chance(0.3) && { additionalProperties: false }),
      };
    }
    if (depth > 0 && chance(0.25)) {
      const minItems = whole(2);
      const bounds = { minItems, ...(chance(0.7) && { maxItems: minItems + whole(2) }) };
      return chance(0.4)
        ? { type: "array", items: { enum: ["x", "y", "z", 1, null] }, uniqueItems: true, ...bounds }
        : { type: "array", items: node(depth - 1), ...bounds };
    }
    return { ...leaf(), ...described };
  };

  return Array.from({ length: count }, () => ({
    ...node(whole(DEEPEST), chance(0.8)),
    $defs: { shared: leaf() },
  }));
}
