/** The measurement: through the package's public interface, as any page could do it. */

import {
  type DeviceReport,
  Flamingo,
  type MemoryReport,
  type Session,
  type Shot,
} from "flamingo-web";
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

/** Measures everything in the plan; each report has one row more than the last. */
export async function measure(plan: Plan, listener: Listener): Promise<void> {
  const { signal } = listener;
  const started = performance.now();
  let cachedBytes = 0;
  const model = await Flamingo.load(plan.model, {
    device: plan.device,
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

  async run({ loadMs, cachedBytes, banned }: Start): Promise<void> {
    this.#banned = banned;
    const { shots, lengths } = this.#plan;
    this.#progress("Warming up", 0);
    const warmUpMs = await this.#warmUp();
    const examples = this.#examples(Math.max(0, ...shots));
    const { weightBytesPerToken } = await this.#model.work();
    const rows: Row[] = [];
    let report: Report | undefined;
    let withoutShots: number | undefined;
    const steps = shots.length * lengths.length;
    for (const count of shots) {
      this.#progress(`Reading ${count} examples`, rows.length / steps);
      const prefill = await this.#cold(examples.slice(0, count));
      if (count === 0) withoutShots = prefill;
      for (const newTokens of lengths) {
        this.#progress(`Writing ${newTokens} tokens behind ${count} examples`, rows.length / steps);
        const row = await this.#warm(examples.slice(0, count), newTokens);
        const prefillMsPerShot =
          count === 0 || withoutShots === undefined ? undefined : (prefill - withoutShots) / count;
        rows.push({ ...row, coldPrefillMs: prefill, prefillMsPerShot });
        report = {
          device: this.#model.device,
          loadMs,
          cachedBytes,
          totalBytes: this.#model.info.totalBytes,
          warmUpMs,
          encodeMs: median(this.#encodings),
          rows: [...rows],
          memory: await this.#model.memory(),
          weightBytesPerToken,
          copyBandwidth: undefined,
        };
        this.#listener.report(report);
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

  /** Milliseconds of reading a prompt whose examples nobody has read yet. */
  async #cold(examples: readonly Shot[]): Promise<number> {
    const times: number[] = [];
    for (let i = 0; i < this.#plan.repeats; i += 1) {
      const session = this.#model.session({ shots: examples });
      times.push((await this.#caption(session, 1)).prefillMs);
      session.dispose();
    }
    return median(times);
  }

  /** Captions of new pictures in one session. */
  async #warm(examples: readonly Shot[], newTokens: number) {
    const session = this.#model.session({ shots: examples });
    await this.#caption(session, 1);
    const captions: Captioned[] = [];
    for (let i = 0; i < this.#plan.repeats; i += 1) {
      captions.push(await this.#caption(session, newTokens));
    }
    const dispatchesPerToken = await this.#dispatchesPerToken(session, newTokens);
    session.dispose();
    const of = (field: keyof Captioned) => median(captions.map((caption) => caption[field]));
    return {
      shots: examples.length,
      newTokens,
      warmFirstTokenMs: of("firstTokenMs"),
      reusedTokens: of("reusedTokens"),
      warmCaptionMs: of("captionMs"),
      decodeTokensPerSecond: 1000 / of("decodeMsPerToken"),
      dispatchesPerToken,
    };
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
    const [short = 0, long = 0] = launched;
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

/** The token that ends a caption, as `model.json` tells it. */
async function endsOf(url: string, signal: AbortSignal): Promise<number[]> {
  const manifest: { readonly config?: { readonly tokens?: { readonly end_of_chunk?: unknown } } } =
    await (await fetch(url, { signal })).json();
  const end = manifest.config?.tokens?.end_of_chunk;
  return typeof end === "number" ? [end] : [];
}

/** The middle one, the lower of two; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
