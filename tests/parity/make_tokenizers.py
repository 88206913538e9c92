"""Writes tests/fixtures/convert/tokenizers: small tokenizers in every form in which models have
them, and the ids that their own libraries give.

    python3.11 -m venv venv && venv/bin/pip install -r tests/parity/tokenizers.requirements.txt
    venv/bin/python tests/parity/make_tokenizers.py

| files | trained as | ids by |
| --- | --- | --- |
| `neox/tokenizer.json` | GPT-NeoX: BPE over bytes, NFC, added runs of spaces | `tokenizers` |
| `opt/{vocab.json,merges.txt,…}` | OPT: GPT-2's BPE, specials first | `transformers` |
| `llama/tokenizer.model` | LLaMA: SentencePiece BPE, byte fallback, identity | `sentencepiece` |
| `unigram/tokenizer.model` | T5: unigram, rules of normalization | `sentencepiece` |
| `llama.gguf`, `opt.gguf`, `unigram.gguf` | the same as llama.cpp's metadata | as above |

`encodings.json` has for each the texts with their ids and, for SentencePiece, the text that the
library makes of the ids.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import sentencepiece
from gguf import GGUFWriter, TokenType
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import GPT2Tokenizer

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
OUT = FIXTURES / "convert" / "tokenizers"

AWKWARD = [
    "",
    " ",
    "  ",
    "\n",
    "Output:",
    "Output:A dog runs",
    "Question:How many? Short answer:2",
    " leading space",
    "trailing space ",
    "room 2048, 3.14159 and 007",
    "don't, we'll, I'M, they'VE",
    "  two  spaces\tand tab \n\n new lines  ",
    "naïve café — “quotes” … €",
    "e\u0301 combining, \u00e9 composed, Ａ full width",
    "日本語のテキスト、한국어, العربية, हिन्दी, ไทย",
    "👍🏽 👨‍👩‍👧‍👦 🇨🇭 ☃️ 🤷🏻‍♀️",
    "\u200b\u202e\ufeff\u00a0\u3000\u2028",
    "\x01\x7f",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 \U0010ffff",
    "\ufffd \ufffd\ufffd",
    "\u2581 \u2581\u2581a",
    "<image>",
    "<s></s><unk><0x41>",
    "<|endofchunk|><|endoftext|><pad>",
    "a <image> in the middle<|endofchunk|>",
    "x" * 100,
    "    indented = code(1)  # comment",
]


def corpus() -> list[str]:
    """Captions and a text."""
    lines = (FIXTURES / "photos" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    captions = [caption for line in lines for caption in json.loads(line)["captions"]]
    text = (FIXTURES / "smollm2" / "text.txt").read_text(encoding="utf-8").splitlines()
    return captions + [line for line in text if line]


def texts() -> list[str]:
    """What is encoded."""
    return AWKWARD + corpus()[:40]


def neox(lines: list[str]) -> tuple[Tokenizer, list[int]]:
    """As EleutherAI/gpt-neox-20b is built."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in (4, 3, 2)])
    (OUT / "neox").mkdir(parents=True)
    tokenizer.save(str(OUT / "neox" / "tokenizer.json"), pretty=False)
    tokenizer.encode_special_tokens = True
    return tokenizer


def opt(lines: list[str]) -> tuple[dict[str, int], list[str]]:
    """As facebook/opt-125m is built: GPT-2's files with <s>, <pad>, </s>, <unk> in front."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [" ".join(merge) for merge in model["merges"]]
    folder = OUT / "opt"
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=True))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    token = {"content": "</s>", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    specials = {"bos_token": token, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(specials))
    config = {"add_prefix_space": False, "add_bos_token": True, "tokenizer_class": "GPT2Tokenizer", "unk_token": token}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return model["vocab"], merges


def sentencepiece_model(name: str, lines: list[str], **options: object) -> sentencepiece.SentencePieceProcessor:
    """Trains a model and writes it."""
    folder = OUT / name
    folder.mkdir(parents=True)
    text = folder / "corpus.txt"
    text.write_text("\n".join(lines), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "tokenizer"),
        minloglevel=2,
        bos_id=1,
        eos_id=2,
        unk_id=0,
        num_threads=1,
        **options,
    )
    text.unlink()
    (folder / "tokenizer.vocab").unlink()
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


def gguf_of_pieces(name: str, kind: str, model: sentencepiece.SentencePieceProcessor, charsmap: bytes) -> None:
    """The metadata that llama.cpp's converter makes of a SentencePiece model."""
    writer = GGUFWriter(OUT / f"{name}.gguf", "llama")
    ids = range(model.get_piece_size())
    writer.add_tokenizer_model(kind)
    writer.add_tokenizer_pre("default")
    writer.add_token_list([model.id_to_piece(i) for i in ids])
    writer.add_token_scores([model.get_score(i) for i in ids])

    def token_type(i: int) -> TokenType:
        if model.is_unknown(i):
            return TokenType.UNKNOWN
        if model.is_control(i):
            return TokenType.CONTROL
        return TokenType.BYTE if model.is_byte(i) else TokenType.NORMAL

    writer.add_token_types([token_type(i) for i in ids])
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(kind == "t5")
    if charsmap:
        writer.add_precompiled_charsmap(charsmap)
    finish(writer)


def finish(writer: GGUFWriter) -> None:
    """Writes a file without tensors."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def charsmap_of(path: Path) -> bytes:
    """The compiled rules of a SentencePiece model."""
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(path.read_bytes())
    return proto.normalizer_spec.precompiled_charsmap


def main() -> None:
    """Writes all files."""
    shutil.rmtree(OUT, ignore_errors=True)
    lines = corpus()
    encodings: dict[str, list[dict[str, object]]] = {}

    tokenizer = neox(lines)
    encodings["neox"] = [{"text": t, "ids": tokenizer.encode(t, add_special_tokens=False).ids} for t in texts()]

    vocab, merges = opt(lines)
    gpt2 = GPT2Tokenizer(vocab=vocab, merges=[tuple(merge.split(" ")) for merge in merges], unk_token="</s>")
    gpt2.backend_tokenizer.encode_special_tokens = True
    encodings["opt"] = [
        {"text": t, "ids": gpt2.backend_tokenizer.encode(t, add_special_tokens=False).ids} for t in texts()
    ]
    writer = GGUFWriter(OUT / "opt.gguf", "gpt2")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    by_id = sorted(vocab, key=vocab.get)
    writer.add_token_list(by_id)
    writer.add_token_types([TokenType.CONTROL if i < 4 else TokenType.NORMAL for i in range(len(by_id))])
    writer.add_token_merges(merges)
    finish(writer)

    llama = sentencepiece_model(
        "llama",
        lines,
        model_type="bpe",
        vocab_size=700,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
    )
    rules = OUT / "rules.tsv"
    rules.write_text("FF21\t41\nA0\t20\n2026\t2E 2E 2E\n")
    unigram = sentencepiece_model(
        "unigram",
        lines,
        model_type="unigram",
        vocab_size=300,
        # Those of its control pieces.
        required_chars="<>/sunk",
        normalization_rule_tsv=str(rules),
    )
    rules.unlink()
    for name, model in {"llama": llama, "unigram": unigram}.items():
        encodings[name] = [
            {"text": t, "ids": (ids := model.encode(t)), "decoded": model.decode(ids)} for t in texts()
        ]
    gguf_of_pieces("llama", "llama", llama, b"")
    gguf_of_pieces("unigram", "t5", unigram, charsmap_of(OUT / "unigram" / "tokenizer.model"))

    blocks = []
    for name, cases in encodings.items():
        rows = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
        blocks.append(f"{json.dumps(name)}: [\n{rows}\n]")
    (OUT / "encodings.json").write_text("{\n" + ",\n".join(blocks) + "\n}\n")


if __name__ == "__main__":
    main()
