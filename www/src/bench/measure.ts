/** The measurement: through the package's public interface, as any page could do it. */

import {
  type DeviceReport,
  Flamingo,
  type MemoryReport,
  type Session,
  type Shot,
} from "flamingo-web";
import { present } from "../invariant.js";
import { Pictures } from "./pictures.js";
import type { Plan } from "./plan.js";

/** Captions of the examples: about as long as those that people write. */
const EXAMPLE = "A brown dog runs through the grass with a red ball";

/** What was measured, as far as it has come. Times are medians, in milliseconds. */
export interface Report {
  readonly device: DeviceReport;
  /** From the call to a model that is ready. */
  readonly loadMs: number;
  /** Bytes of the model that were there from an earlier visit. */
  readonly cachedBytes: number;
  readonly totalBytes: number;
  /** The first short caption, which compiles what is not compiled yet, less the same one afterwards. */
  readonly warmUpMs: number;
  readonly encodeMs: number;
  readonly rows: readonly Row[];
  /** At the end; the heap's size is its peak. */
  readonly memory: MemoryReport;
  /** Bytes of weights that are read to decode one token. */
  readonly weightBytesPerToken: number;
  /**
   * Bytes a second that the device reads and writes where memory is copied. Measured last, because
   * it takes memory; undefined until then.
   */
  readonly copyBandwidth: number | undefined;
}

/** A caption of some length behind some examples. */
export interface Row {
  readonly shots: number;
  readonly newTokens: number;
  /** Reading the prompt where the examples are new, encoding not counted. */
  readonly coldPrefillMs: number;
  /** What an example adds to that; undefined where there is nothing to compare with. */
  readonly prefillMsPerShot: number | undefined;
  /** The examples were read for the caption before; the image is new. */
  readonly warmFirstTokenMs: number;
  /** Tokens of the prompt that were not read again. */
  readonly reusedTokens: number;
  /** The whole caption, its image's encoding included. */
  readonly warmCaptionMs: number;
  /** That, over what a caption of this length takes without examples; undefined where there is none. */
  readonly timesBareCaption: number | undefined;
  readonly decodeTokensPerSecond: number;
  /** Of the package's own programs; undefined on the CPU, which has none. */
  readonly dispatchesPerToken: number | undefined;
}

/** How far it has come. */
export interface Progress {
  readonly doing: string;
  /** 0 to 1. */
  readonly share: number;
}

export interface Listener {
  readonly signal: AbortSignal;
  progress(progress: Progress): void;
  report(report: Report): void;
}

/** Measures everything in the plan; reports come as rows and rounds are added. */
export async function measure(plan: Plan, listener: Listener): Promise<void> {
  const { signal } = listener;
  const started = performance.now();
  let cachedBytes = 0;
  const model = await Flamingo.load(plan.model, {
    device: plan.device,
    int8Activations: plan.int8Activations,
    signal,
    onProgress: (event) => {
      if (event.status === "cache") ({ cachedBytes } = event);
      if (event.status === "progress") {
        listener.progress({ doing: "Loading the model", share: event.loaded / event.total });
      }
    },
  });
  const loadMs = performance.now() - started;
  try {
    await new Measurement(model, plan, listener).run({
      loadMs,
      cachedBytes,
      banned: await endsOf(plan.model, signal),
    });
  } finally {
    model.dispose();
  }
}

/** What is known once the model is loaded. */
interface Start {
  readonly loadMs: number;
  readonly cachedBytes: number;
  /** Tokens that would end a caption before it has its length. */
  readonly banned: readonly number[];
}

class Measurement {
  readonly #model: Flamingo;
  readonly #plan: Plan;
  readonly #listener: Listener;
  readonly #pictures = new Pictures();
  readonly #encodings: number[] = [];
  #banned: readonly number[] = [];

  constructor(model: Flamingo, plan: Plan, listener: Listener) {
    this.#model = model;
    this.#plan = plan;
    this.#listener = listener;
  }

  /** Numbers of examples take turns, a session each a round: what disturbs a round disturbs all. */
  async run({ loadMs, cachedBytes, banned }: Start): Promise<void> {
    this.#banned = banned;
    const { shots, lengths, repeats } = this.#plan;
    this.#progress("Warming up", 0);
    const warmUpMs = await this.#warmUp();
    const examples = this.#examples(Math.max(0, ...shots));
    const { weightBytesPerToken } = await this.#model.work();
    let report: Report | undefined;
    const trials = shots.map((count) => new Trial(count));
    const steps = repeats * shots.length * (1 + lengths.length);
    let done = 0;
    for (let round = 1; round <= repeats; round += 1) {
      for (const trial of trials) {
        const { shots } = trial;
        const named = `${shots} examples (round ${round} of ${repeats})`;
        const session = this.#model.session({ shots: examples.slice(0, shots) });
        this.#progress(`Reading ${named}`, done++ / steps);
        trial.prefills.push((await this.#caption(session, 1)).prefillMs);
        for (const newTokens of lengths) {
          this.#progress(`Writing ${newTokens} tokens behind ${named}`, done++ / steps);
          trial.captioned(newTokens, await this.#caption(session, newTokens));
          if (round === 1) {
            trial.dispatches.set(newTokens, await this.#dispatchesPerToken(session, newTokens));
          }
          report = {
            device: this.#model.device,
            loadMs,
            cachedBytes,
            totalBytes: this.#model.info.totalBytes,
            warmUpMs,
            encodeMs: median(this.#encodings),
            rows: rowsOf(trials),
            memory: await this.#model.memory(),
            weightBytesPerToken,
            copyBandwidth: undefined,
          };
          this.#listener.report(report);
        }
        session.dispose();
      }
    }
    if (report !== undefined) {
      this.#progress("Copying memory", 1);
      const { signal } = this.#listener;
      const copyBandwidth = await this.#model.copyBandwidth({ signal });
      this.#listener.report({ ...report, copyBandwidth });
    }
    this.#progress("Done", 1);
  }

  #progress(doing: string, share: number): void {
    this.#listener.progress({ doing, share });
  }

  #examples(count: number): Shot[] {
    return Array.from({ length: count }, () => ({ image: this.#pictures.next(), text: EXAMPLE }));
  }

  async #warmUp(): Promise<number> {
    const session = this.#model.session();
    const [first, second] = [await this.#caption(session, 2), await this.#caption(session, 2)];
    session.dispose();
    this.#encodings.length = 0;
    return Math.max(0, first.captionMs - second.captionMs);
  }

  /** What a longer caption launches more than a shorter one. */
  async #dispatchesPerToken(session: Session, newTokens: number): Promise<number | undefined> {
    if (this.#model.device.kind === "cpu") return undefined;
    const launched: number[] = [];
    for (const tokens of [1, newTokens]) {
      const before = (await this.#model.work()).dispatches;
      await this.#caption(session, tokens);
      launched.push((await this.#model.work()).dispatches - before);
    }
    const [short, long] = launched as [short: number, long: number];
    return (long - short) / (newTokens - 1);
  }

  /** A caption of a new picture, of exactly so many tokens. */
  async #caption(session: Session, newTokens: number): Promise<Captioned> {
    const picture = this.#pictures.next();
    await session.opened;
    const started = performance.now();
    const { timings, reusedTokens } = await session.caption(picture, {
      maxNewTokens: newTokens,
      banned: this.#banned,
      signal: this.#listener.signal,
    }).result;
    this.#encodings.push(timings.encodeMs);
    return { ...timings, reusedTokens, captionMs: performance.now() - started };
  }
}

interface Captioned {
  readonly prefillMs: number;
  readonly firstTokenMs: number;
  readonly decodeMsPerToken: number;
  readonly reusedTokens: number;
  readonly captionMs: number;
}

/** What was measured behind so many examples, a value a round. */
class Trial {
  readonly shots: number;
  readonly prefills: number[] = [];
  /** By their length. */
  readonly captions = new Map<number, Captioned[]>();
  /** Of a token, by the caption's length. */
  readonly dispatches = new Map<number, number | undefined>();

  constructor(shots: number) {
    this.shots = shots;
  }

  captioned(newTokens: number, caption: Captioned): void {
    this.captions.set(newTokens, [...(this.captions.get(newTokens) ?? []), caption]);
  }
}

/** The medians of the rounds until now. */
function rowsOf(trials: readonly Trial[]): Row[] {
  const bare = trials.find(({ shots, prefills }) => shots === 0 && prefills.length > 0);
  const begun = trials.filter(({ prefills }) => prefills.length > 0);
  return begun.flatMap((trial) => {
    const { shots, prefills } = trial;
    const coldPrefillMs = median(prefills);
    return [...trial.captions].map(([newTokens, captions]): Row => {
      const of = (captions: readonly Captioned[], field: keyof Captioned) =>
        median(captions.map((caption) => caption[field]));
      const bareCaptions = bare?.captions.get(newTokens);
      const warmCaptionMs = of(captions, "captionMs");
      return {
        shots,
        newTokens,
        coldPrefillMs,
        prefillMsPerShot:
          shots === 0 || bare === undefined
            ? undefined
            : (coldPrefillMs - median(bare.prefills)) / shots,
        warmFirstTokenMs: of(captions, "firstTokenMs"),
        reusedTokens: of(captions, "reusedTokens"),
        warmCaptionMs,
        timesBareCaption:
          shots === 0 || bareCaptions === undefined
            ? undefined
            : warmCaptionMs / of(bareCaptions, "captionMs"),
        decodeTokensPerSecond: 1000 / of(captions, "decodeMsPerToken"),
        dispatchesPerToken: trial.dispatches.get(newTokens),
      };
    });
  });
}

/** The most that an example costs over the least, of all numbers of examples; undefined of fewer than two. */
export function growthPerShot(rows: readonly Row[]): number | undefined {
  const costs = new Map(
    rows.flatMap(({ shots, prefillMsPerShot: cost }) =>
      cost === undefined ? [] : [[shots, cost]],
    ),
  );
  return costs.size < 2 ? undefined : Math.max(...costs.values()) / Math.min(...costs.values());
}

/** The token that ends a caption, as `model.json` tells it. */
async function endsOf(url: string, signal: AbortSignal): Promise<number[]> {
  const manifest: { readonly config?: { readonly tokens?: { readonly end_of_chunk?: unknown } } } =
    await (await fetch(url, { signal })).json();
  const end = manifest.config?.tokens?.end_of_chunk;
  return typeof end === "number" ? [end] : [];
}

/** The middle one, the lower of two; there is one at least. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return present(sorted[Math.floor((sorted.length - 1) / 2)], "a median is of some values");
}
