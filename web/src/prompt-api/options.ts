/** Options of the Prompt API, checked. */

import type { GenerateOptions } from "../types.js";
import { notSupported } from "./exceptions.js";
import type { MessageType, Prompt } from "./messages.js";

/** A type of content, and the languages it is in. */
export interface Expected {
  /** `text`, or `image` where it is read; others are refused. */
  readonly type: MessageType;
  /** BCP 47 tags; any language where there are none. */
  readonly languages?: readonly string[];
}

/** How much chance there is in answers. */
export type SamplingMode =
  | "most-predictable"
  | "predictable"
  | "slightly-predictable"
  | "balanced"
  | "slightly-creative"
  | "creative"
  | "most-creative";

/** What `availability` is asked about. */
export interface CoreOptions {
  /** What messages have beside texts; pictures must be among it. */
  readonly expectedInputs?: readonly Expected[];
  /** What answers are. */
  readonly expectedOutputs?: readonly Expected[];
  /** `most-predictable` by default. */
  readonly samplingMode?: SamplingMode;
  /** Refused unless empty. */
  readonly tools?: readonly unknown[];
  /** Refused unless of the effort `none`. */
  readonly thinking?: { readonly effort?: string };
  /** Without effect, as in pages of browsers that have the interface. */
  readonly topK?: number;
  /** Without effect, as in pages of browsers that have the interface. */
  readonly temperature?: number;
}

/** The target of `downloadprogress`. */
export type CreateMonitor = EventTarget & { ondownloadprogress: ((event: Event) => void) | null };

/** How a session is created. */
export interface CreateOptions extends CoreOptions {
  /** Ends the creation or, later, the session. */
  readonly signal?: AbortSignal;
  /** Is given the target of `downloadprogress`. */
  readonly monitor?: (monitor: CreateMonitor) => void;
  /** Examples: messages of user and assistant in turn. They stay when the context is full. */
  readonly initialPrompts?: Prompt;
}

/** How an answer is made. */
export interface PromptOptions {
  /** What it must match: a `RegExp`, or a JSON schema. */
  readonly responseConstraint?: object;
  /** Whether the model is not told of it; it never is here. */
  readonly omitResponseConstraintInput?: boolean;
  /** Stops the answer; what was said is then taken back. */
  readonly signal?: AbortSignal;
}

/** Temperatures of the modes; a small model says the most sensible things at none. */
const SAMPLING: Readonly<Record<SamplingMode, GenerateOptions>> = {
  "most-predictable": {},
  predictable: { temperature: 0.3, topP: 0.9 },
  "slightly-predictable": { temperature: 0.5, topP: 0.9 },
  balanced: { temperature: 0.7, topP: 0.95 },
  "slightly-creative": { temperature: 0.85, topP: 0.95 },
  creative: { temperature: 1 },
  "most-creative": { temperature: 1.3 },
};

/** Options that were checked. */
export interface Session {
  /** Types of content that messages may have. */
  readonly inputs: ReadonlySet<MessageType>;
  /** How much chance there is in answers. */
  readonly samplingMode: SamplingMode;
}

/**
 * Checks what a session is created with, or asked about.
 *
 * @throws a `TypeError`, a `RangeError`, or a `NotSupportedError` for what the models cannot do.
 */
export function checked(options: CoreOptions, languages: readonly string[]): Session {
  const { expectedInputs = [], expectedOutputs = [], tools = [], thinking } = options;
  const { samplingMode = "most-predictable" } = options;
  const known = new Set(languages.map((language) => new Intl.Locale(language).language));
  const check = (expected: readonly Expected[], types: readonly MessageType[], what: string) => {
    const unknown: string[] = [];
    for (const { type, languages } of expected) {
      if (!ALL_TYPES.includes(type)) throw new TypeError(`There is no content of type ${type}.`);
      if (!types.includes(type)) unknown.push(type);
      // One that is no tag is a `RangeError`.
      for (const tag of Intl.getCanonicalLocales(languages as string[] | undefined)) {
        if (!known.has(new Intl.Locale(tag).language)) unknown.push(tag);
      }
    }
    if (unknown.length > 0) {
      throw notSupported(`The model does not ${what} ${unknown.join(", ")}.`);
    }
  };
  check(expectedInputs, ["text", "image"], "read");
  check(expectedOutputs, ["text"], "write");
  if (!Object.hasOwn(SAMPLING, samplingMode)) {
    throw new TypeError(`There is no sampling mode ${samplingMode}.`);
  }
  if (tools.length > 0) throw notSupported("Flamingo models call no tools.");
  if (thinking?.effort !== undefined && thinking.effort !== "none") {
    throw notSupported("Flamingo models do not think before they answer.");
  }
  return { inputs: new Set(["text", ...expectedInputs.map(({ type }) => type)]), samplingMode };
}

const ALL_TYPES: readonly MessageType[] = ["text", "image", "audio", "tool-call", "tool-response"];

/** The options of a mode; where there is chance, another one each time. */
export function sampling(mode: SamplingMode): GenerateOptions {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
  return mode === "most-predictable" ? {} : { ...SAMPLING[mode], seed };
}

/** A constraint as sessions take it. */
export type Constraint =
  | { readonly regex: string }
  | { readonly schema: Readonly<Record<string, unknown>> };

/**
 * Reads `responseConstraint`.
 *
 * @throws a `TypeError` where it is neither a pattern nor a schema.
 */
export function constraintOf({
  responseConstraint: constraint,
  omitResponseConstraintInput = false,
}: PromptOptions): Constraint | undefined {
  if (constraint === undefined || constraint === null) {
    if (omitResponseConstraintInput) {
      throw new TypeError("There is no responseConstraint of which the input could be omitted.");
    }
    return undefined;
  }
  if (constraint instanceof RegExp) return { regex: patternOf(constraint) };
  if (typeof constraint !== "object" || Array.isArray(constraint)) {
    throw new TypeError("A responseConstraint is a RegExp or a JSON schema, which is an object.");
  }
  return { schema: constraint as Record<string, unknown> };
}

/** A pattern in the syntax of Rust's `regex`, which has the flags that change its meaning in front. */
function patternOf({ source, flags }: RegExp): string {
  const meaning = [...flags].filter((flag) => "ims".includes(flag)).join("");
  return meaning === "" ? source : `(?${meaning})${source}`;
}
