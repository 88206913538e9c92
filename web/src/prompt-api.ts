/**
 * Chrome's built-in Prompt API, answered by a Flamingo model in the tab.
 *
 * ```ts
 * import { install } from "flamingo-web/prompt-api";
 *
 * install({ model: "/models/flamingo-smollm2-135m/model.json" });
 * const session = await LanguageModel.create({ expectedInputs: [{ type: "image" }] });
 * const image = { type: "image", value: photo };
 * await session.prompt([{ role: "user", content: [image, { type: "text", value: "What is it?" }] }]);
 * ```
 *
 * Where the browser has a `LanguageModel` of its own, that one stays. Our models follow examples:
 * `initialPrompts` of user and assistant are shots.
 */

import { Dialogue } from "./dialogue/dialogue.js";
import { type Templates, templatesOf } from "./dialogue/template.js";
import { SILENCE } from "./dialogue/turn.js";
import { unlessAborted } from "./errors.js";
import { Flamingo } from "./flamingo.js";
import type { ModelFolder } from "./model-folder.js";
import { exception, named, quotaExceeded } from "./prompt-api/exceptions.js";
import { heard, talkAfter } from "./prompt-api/messages.js";
import { type Availability, type Loader, ModelHolder } from "./prompt-api/model-holder.js";
import { DownloadMonitor } from "./prompt-api/monitor.js";
import { type CoreOptions, type CreateOptions, checked } from "./prompt-api/options.js";
import { PromptSession } from "./prompt-api/session.js";
import type { DevicePreference } from "./types.js";

export type { Templates } from "./dialogue/template.js";
export type {
  Message,
  MessageContent,
  MessageRole,
  MessageType,
  Prompt,
} from "./prompt-api/messages.js";
export type { Availability } from "./prompt-api/model-holder.js";
export type {
  CoreOptions,
  CreateMonitor,
  CreateOptions,
  Expected,
  PromptOptions,
  SamplingMode,
} from "./prompt-api/options.js";
export type { PromptSession } from "./prompt-api/session.js";

/** What answers. */
export interface PromptApiOptions {
  /** A model, the address of its `model.json`, or its folder. It is loaded with the first session, and stays. */
  readonly model: string | URL | ModelFolder | Flamingo;
  /**
   * How a turn is put to the model: one text for all, or one for turns with a text and one for turns
   * of pictures alone. OpenFlamingo's by default.
   */
  readonly template?: string | Partial<Templates>;
  /** Where the model runs. `auto` by default. */
  readonly device?: DevicePreference;
  /** Has the CPU round activations to bytes. False by default. */
  readonly int8Activations?: boolean;
  /** Longest answer, in tokens, for which room is kept. 40 by default. */
  readonly maxNewTokens?: number;
  /** Languages that the model reads and writes, as BCP 47 tags. English by default. */
  readonly languages?: readonly string[];
}

/** `LanguageModel`, as pages use it. */
export interface LanguageModelConstructor {
  /** Of all sessions. */
  readonly prototype: PromptSession;
  /** Creates a session, and loads the model if there is none. */
  create(options?: CreateOptions): Promise<PromptSession>;
  /** Whether such a session can be created, and what has to be downloaded for it. */
  availability(options?: CoreOptions): Promise<Availability>;
}

/**
 * Defines `LanguageModel` where there is none. Returns the one that pages get: the browser's own where
 * it has one.
 */
export function install(options: PromptApiOptions): LanguageModelConstructor {
  const place = globalThis as { LanguageModel?: LanguageModelConstructor };
  if (place.LanguageModel !== undefined) return place.LanguageModel;
  const value = languageModel(options);
  Object.defineProperty(place, "LanguageModel", { value, writable: true, configurable: true });
  return value;
}

/** Makes a `LanguageModel` and defines it nowhere. */
export function languageModel(options: PromptApiOptions): LanguageModelConstructor {
  return languageModelBy(Flamingo, options);
}

/** @internal {@link languageModel}, of models that `loader` loads. */
export function languageModelBy(
  loader: Loader,
  {
    model,
    template,
    device = "auto",
    int8Activations = false,
    maxNewTokens = 40,
    languages = ["en"],
  }: PromptApiOptions,
): LanguageModelConstructor {
  const templates = templatesOf(template);
  const holder = new ModelHolder(model, { device, int8Activations }, loader);
  /** Tokens that the model reads, which are found out once. */
  let context: Promise<number> | undefined;

  class LanguageModel extends PromptSession {
    static async create(options: CreateOptions = {}): Promise<LanguageModel> {
      const { signal, monitor, initialPrompts } = options;
      signal?.throwIfAborted();
      const settings = checked(options, languages);
      const messages = initialPrompts === undefined ? [] : heard(initialPrompts, settings.inputs);
      if (messages.some(({ prefix }) => prefix)) {
        throw exception("SyntaxError", "There is no answer to begin in initialPrompts.");
      }
      const download = new DownloadMonitor(monitor);
      const tell = (loaded: number) => {
        if (!signal?.aborted) download.tell(loaded);
      };
      try {
        tell(0);
        const model = await unlessAborted(holder.model(tell), signal);
        tell(1);
        const newDialogue = () => new Dialogue(model, templates);
        const dialogue = newDialogue();
        context ??= dialogue.contextTokens();
        const window = Math.max(0, (await unlessAborted(context, signal)) - maxNewTokens);
        const talk = await talkAfter({ turns: [], open: SILENCE }, messages);
        const { turns, open } = talk;
        const asked = open === SILENCE ? undefined : open;
        const usage = await unlessAborted(dialogue.count(turns, asked, ""), signal);
        dialogue.dispose();
        if (usage > window) throw quotaExceeded({ requested: usage, quota: window });
        const kept = turns.length;
        const parts = { newDialogue, settings, window, maxNewTokens, talk, kept, usage };
        const session = PromptSession.make(LanguageModel, parts);
        try {
          await unlessAborted(session.prepared(), signal);
        } catch (error) {
          session.destroy();
          throw error;
        }
        signal?.addEventListener("abort", () => session.endBy(signal.reason), { once: true });
        return session;
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw named(error, "OperationError");
      }
    }

    static async availability(options: CoreOptions = {}): Promise<Availability> {
      try {
        checked(options, languages);
      } catch (error) {
        if (error instanceof DOMException && error.name === "NotSupportedError") {
          return "unavailable";
        }
        throw error;
      }
      return holder.availability();
    }
  }
  return LanguageModel;
}
