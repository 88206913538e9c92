/** A WebAssembly module made of TypeScript, for tests of everything around it. */

import type { WireOptions } from "../protocol.js";
import type {
  BeamOptions,
  Caption,
  ChoiceParts,
  DecisionOptions,
  DevicePreference,
  DeviceReport,
  Hypothesis,
  ModelMemory,
  SupportEntry,
  Task,
  WorkReport,
} from "../types.js";
import type {
  OnPiece,
  WasmChoice,
  WasmDevice,
  WasmExamples,
  WasmFrames,
  WasmLoader,
  WasmMedia,
  WasmModel,
  WasmModule,
  WasmPrompt,
  WasmQuery,
  WasmRehearsal,
  WasmSession,
  WasmSupportSet,
} from "../wasm.js";

/** What a test reads of, and writes into, a fake module. */
export interface FakeModule extends WasmModule {
  /** All bytes that were pushed. */
  readonly pushed: number[];
  /** Handles that were made and not yet freed. */
  readonly alive: Set<string>;
  /** The tokens of every caption. */
  words: string[];
  /** The options of the last call that took any. */
  options: unknown;
  /** Id of the first token of every caption; the others follow it. */
  firstId: number;
  /** What `encode` throws. */
  imageFault: unknown;
  /** The two parts of every probability; undefined if no shots vote. */
  parts: ChoiceParts | undefined;
  /** What a rehearsal throws. */
  rehearsalFault: unknown;
  /** The fake GPU: `auto` takes hardware only. */
  gpu: "hardware" | "software" | "none";
  /** Tokens until the fake GPU is lost; nothing is written afterwards. */
  tokensUntilLost: number;
}

/** A module whose captions name all that the model would read, then `words`. */
export function fakeWasm(): FakeModule {
  const alive = new Set<string>();
  const pushed: number[] = [];
  let handles = 0;

  class Handle {
    readonly #name: string;

    constructor(kind: string) {
      handles += 1;
      this.#name = `${kind} ${handles}`;
      alive.add(this.#name);
    }

    free(): void {
      if (!alive.delete(this.#name)) throw new Error(`${this.#name} was freed twice`);
    }

    [Symbol.dispose](): void {
      this.free();
    }
  }

  class Device extends Handle implements WasmDevice {
    readonly #kind: "webgpu" | "cpu";

    constructor(preference: DevicePreference) {
      super("device");
      const onCpu = preference === "cpu" || (preference === "auto" && module.gpu !== "hardware");
      this.#kind = onCpu ? "cpu" : "webgpu";
    }

    report(): DeviceReport {
      const limit = this.#kind === "cpu" ? 0 : 1 << 20;
      return {
        kind: this.#kind,
        kernels: this.#kind === "cpu" ? "cpu" : "workgroups",
        adapter: "",
        backend: "",
        software: this.#kind === "webgpu" && module.gpu === "software",
        reason: `the GPU is ${module.gpu}`,
        maxBufferSize: limit,
        maxStorageBufferBindingSize: limit,
        subgroups: false,
        threads: 1,
        selfTest: { outcome: "not_run" },
      };
    }
  }

  class Media extends Handle implements WasmMedia {
    constructor(readonly bytes: string) {
      super("media");
    }
  }

  class Frames extends Handle implements WasmFrames {
    readonly list: string[] = [];

    constructor() {
      super("frames");
    }

    pushPixels(rgba: Uint8Array, width: number, height: number): void {
      this.list.push(`${width}×${height}:${rgba.join(" ")}`);
    }

    pushFile(bytes: Uint8Array): void {
      this.list.push(bytes.join(" "));
    }
  }

  class Examples extends Handle implements WasmExamples {
    readonly list: string[] = [];

    constructor() {
      super("examples");
    }

    addText(question: string, answer: string): void {
      this.list.push(`${question}=${answer}`);
    }

    addMedia(media: WasmMedia, question: string, answer: string): void {
      this.list.push(`${(media as Media).bytes}${question}=${answer}`);
    }
  }

  class Query extends Handle implements WasmQuery {
    readonly words: string[];

    constructor(question: string) {
      super("query");
      this.words = question === "" ? [] : [question];
    }

    setMedia(media: WasmMedia): void {
      this.words.unshift((media as Media).bytes);
    }
  }

  class Prompt extends Handle implements WasmPrompt {
    readonly words: string[] = [];

    constructor() {
      super("prompt");
    }

    addText(text: string): void {
      this.words.push(text);
    }

    addMedia(media: WasmMedia): void {
      this.words.push((media as Media).bytes);
    }

    addEndOfChunk(): void {
      this.words.push("<|endofchunk|>");
    }
  }

  class Session extends Handle implements WasmSession {
    #examples: string[] = [];
    #turns: string[] = [];

    constructor(
      _: WasmModel,
      readonly task: Task | undefined,
    ) {
      super("session");
    }

    setExamples(examples: WasmExamples): void {
      this.#examples = (examples as Examples).list;
    }

    forgetTurns(): void {
      this.#turns = [];
    }

    answer(query: WasmQuery, options: WireOptions, onPiece: OnPiece): Promise<Caption> {
      const prompt = [...this.#examples, ...this.#turns, ...(query as Query).words];
      return write(prompt, options, onPiece);
    }

    async converse(query: WasmQuery, options: WireOptions, onPiece: OnPiece): Promise<Caption> {
      const caption = await this.answer(query, options, onPiece);
      this.#turns.push(`${(query as Query).words.join(" ")}→${module.words.join(" ")}`);
      return caption;
    }

    async choose(_: WasmQuery, choices: string[], options: unknown): Promise<WasmChoice[]> {
      module.options = options;
      const { parts } = module;
      const choice = { probability: 1 / choices.length, ...(parts !== undefined && { parts }) };
      return choices.map(() => choice);
    }

    async decide(query: WasmQuery, schema: string, options: DecisionOptions): Promise<string> {
      module.options = options;
      const value = { schema: JSON.parse(schema), about: (query as Query).words };
      return JSON.stringify({ value, probability: 1, leaves: [] });
    }

    async beamSearch(query: WasmQuery, options: BeamOptions): Promise<Hypothesis[]> {
      module.options = options;
      const text = (query as Query).words.join(" ");
      return [{ text, tokenIds: [0], score: -1, ended: true }];
    }
  }

  class SupportSet extends Handle implements WasmSupportSet {
    readonly #entries: SupportEntry[] = [];
    /** Entries that were saved; the fake keeps only their number. */
    #restored = 0;

    constructor(_?: WasmModel) {
      super("support set");
    }

    static fromBytes(bytes: Uint8Array): SupportSet {
      if (bytes[0] !== 70) throw { code: "support-set", message: "it does not begin with F" };
      const set = new SupportSet();
      set.#restored = bytes[1] ?? 0;
      return set;
    }

    add(embedding: Float32Array, image: string, question: string, text: string): void {
      const index = this.#entries.length;
      this.#entries.push({ index, image: `${image}@${embedding.join(" ")}`, question, text });
    }

    nearest(_: Float32Array, count: number): SupportEntry[] {
      return this.#entries.slice(0, count);
    }

    toBytes(): Uint8Array {
      return Uint8Array.of(70, this.#restored + this.#entries.length);
    }
  }

  class Model extends Handle implements WasmModel {
    async encode(bytes: Uint8Array): Promise<WasmMedia> {
      if (module.imageFault !== undefined) throw module.imageFault;
      return new Media(bytes.join(" "));
    }

    async encodeClip(frames: WasmFrames): Promise<WasmMedia> {
      return new Media(`[${(frames as Frames).list.join(", ")}]`);
    }

    async embed(bytes: Uint8Array): Promise<Float32Array> {
      return Float32Array.from(bytes);
    }

    async embedPixels(rgba: Uint8Array): Promise<Float32Array> {
      return Float32Array.from(rgba);
    }

    countTokens(prompt: WasmPrompt): number {
      return (prompt as Prompt).words.length;
    }

    memory(): ModelMemory {
      return { weightBytes: pushed.length, latentBytes: 0, gpuBytesInUse: 0, gpuBytesReserved: 0 };
    }

    work(): WorkReport {
      return { weightBytesPerToken: pushed.length, dispatches: 0 };
    }

    async copyBandwidth(): Promise<number> {
      return 1e9;
    }

    generate(prompt: WasmPrompt, options: WireOptions, onPiece: OnPiece): Promise<Caption> {
      return write((prompt as Prompt).words, options, onPiece);
    }
  }

  async function write(prompt: string[], options: WireOptions, onPiece: OnPiece): Promise<Caption> {
    module.options = options;
    const words: string[] = [];
    let stopReason: Caption["stopReason"] = "end_of_chunk";
    const all = [...prompt, ...module.words];
    for (const [index, text] of all.slice(0, options.maxNewTokens ?? 40).entries()) {
      const id = module.firstId + index;
      if (module.tokensUntilLost === 0) {
        throw { code: "device-lost", message: "the GPU device was lost: reset" };
      }
      module.tokensUntilLost -= 1;
      words.push(text);
      if (!(await onPiece({ id, text, logProbability: -1, alternatives: [] }))) {
        stopReason = "aborted";
        break;
      }
    }
    return {
      text: words.join(" | "),
      tokenIds: [...words.keys()],
      stopReason,
      reusedTokens: 0,
      timings: { encodeMs: 1, prefillMs: 2, firstTokenMs: 3, decodeMsPerToken: 4 },
    };
  }

  class Rehearsal extends Handle implements WasmRehearsal {
    constructor() {
      super("rehearsal");
    }

    async run(onStep: (done: number, total: number) => void): Promise<void> {
      this.free();
      if (module.rehearsalFault !== undefined) throw module.rehearsalFault;
      for (const done of [1, 2]) onStep(done, 2);
    }
  }

  class ModelLoader extends Handle implements WasmLoader {
    readonly #kind: string;

    constructor(device: WasmDevice) {
      super("loader");
      this.#kind = device.report().kind;
    }

    rehearsal(): WasmRehearsal | undefined {
      return this.#kind === "cpu" ? undefined : new Rehearsal();
    }

    push(bytes: Uint8Array): void {
      pushed.push(...bytes);
    }

    finish(): WasmModel {
      this.free();
      return new Model("model");
    }
  }

  const module: FakeModule = {
    url: "https://page.test/flamingo_bg.wasm",
    memory: new WebAssembly.Memory({ initial: 1 }),
    selectDevice: async (preference) => {
      if (preference === "webgpu" && module.gpu === "none") {
        throw { code: "no-webgpu", message: "there is no adapter; use the CPU" };
      }
      return new Device(preference);
    },
    ModelLoader,
    Frames,
    Examples,
    Query,
    Prompt,
    Session,
    SupportSet,
    pushed,
    alive,
    words: ["a", "dog"],
    options: undefined,
    firstId: 0,
    imageFault: undefined,
    parts: undefined,
    rehearsalFault: undefined,
    gpu: "hardware",
    tokensUntilLost: Number.POSITIVE_INFINITY,
  };
  return module;
}
