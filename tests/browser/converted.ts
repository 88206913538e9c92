/**
 * Released Flamingos in small: the references of `tests/fixtures/golden`, which lie in the published
 * formats, with a tokenizer of as many tokens as they have rows, converted by the program.
 */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROGRAM } from "./native.js";

const GOLDEN = new URL("../fixtures/golden/", import.meta.url);

/** Rows that every reference has for the tokens of its tokenizer; those that a family adds come behind. */
const TOKENS = 96;

/** Which model, and what the page is to say of it. */
export interface Released {
  readonly family: string;
  /** How a caption's prompt is shown. */
  readonly format: string;
  /** Writes its files below a folder. Returns what `flamingo convert checkpoint` is to read. */
  readonly files: (folder: string) => readonly string[];
}

export const RELEASED: readonly Released[] = [
  {
    family: "OpenFlamingo",
    format: "<image>Output:…",
    files: (folder) => {
      const { lm, vis } = json("neox/config.json");
      const { width, patch, layers, heads } = vis as Record<string, number>;
      const head_width = Number(width) / Number(heads);
      const vision_cfg = { width, head_width, layers, patch_size: patch };
      copyFileSync(golden("neox/model_full.safetensors"), join(folder, "checkpoint.safetensors"));
      write(folder, "open_clip_config.json", { model_cfg: { quick_gelu: true, vision_cfg } });
      write(folder, "language/config.json", lm);
      write(folder, "tokenizer.json", byteLevel());
      return [
        join(folder, "checkpoint.safetensors"),
        `--language=${join(folder, "language")}`,
        `--tokenizer=${join(folder, "tokenizer.json")}`,
      ];
    },
  },
  {
    family: "IDEFICS",
    format: "<image>Caption: …",
    files: (folder) => {
      write(folder, "tokenizer.json", sentencePiece());
      return [golden("idefics"), `--tokenizer=${join(folder, "tokenizer.json")}`];
    },
  },
  {
    family: "flamingo-mini",
    format: "<image>…",
    files: (folder) => {
      const { opt, clip } = json("flamingo_mini_opt125_clips/parts.json");
      write(folder, "opt/config.json", opt);
      write(folder, "clip/config.json", clip);
      write(folder, "tokenizer.json", byteLevel());
      return [
        golden("flamingo_mini_opt125_clips/pytorch_model.bin"),
        `--language=${join(folder, "opt")}`,
        `--vision=${join(folder, "clip")}`,
        `--tokenizer=${join(folder, "tokenizer.json")}`,
      ];
    },
  },
];

/** Converts a model into a folder below `folder`. Returns its path. */
export function converted({ family, files }: Released, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const output = join(folder, `tiny ${family}`);
  const inputs = files(folder);
  execFileSync(PROGRAM, ["convert", "checkpoint", ...inputs, `--output=${output}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  return output;
}

const LETTERS = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"];

/** A vocabulary of `tokens` and, up to {@link TOKENS}, the space before a letter. */
function vocabulary(tokens: readonly string[], space: string) {
  const words = LETTERS.slice(0, TOKENS - tokens.length).map((letter) => `${space}${letter}`);
  const all = [...tokens, ...words];
  return {
    vocab: Object.fromEntries(all.map((token, id) => [token, id])),
    merges: words.map((word) => `${space} ${word.slice(space.length)}`),
  };
}

/** As GPT-NeoX's and OPT's are, with the tokens of which flamingo-mini spells an image. */
function byteLevel() {
  const image = ["im", "ima", "imag", "image"];
  const tokens = [...SPECIAL, "Ġ", "Ċ", ...LETTERS, ...":.,?!'<>{}|-", ...image];
  const { vocab, merges } = vocabulary(tokens, "Ġ");
  return {
    version: "1.0",
    added_tokens: special(SPECIAL),
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
    model: {
      type: "BPE",
      vocab,
      merges: ["i m", "im a", "ima g", "imag e", ...merges],
    },
  };
}

/** As `transformers` writes LLaMA's: U+2581 for a space, a piece for a byte that is in no other. */
function sentencePiece() {
  const first = ["<unk>", "<s>", "</s>"];
  const { vocab, merges } = vocabulary([...first, "<0x0A>", "▁", ...LETTERS, ...":.,?!'-"], "▁");
  return {
    version: "1.0",
    added_tokens: special(first),
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      fuse_unk: true,
      byte_fallback: true,
      vocab,
      merges,
    },
  };
}

const special = (tokens: readonly string[]) =>
  tokens.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));

const golden = (path: string) => fileURLToPath(new URL(path, GOLDEN));

const json = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(golden(path), "utf8"));

function write(folder: string, file: string, content: unknown): void {
  const path = join(folder, file);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, JSON.stringify(content));
}
