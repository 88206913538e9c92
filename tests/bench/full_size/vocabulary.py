"""Tokenizers with the released number of tokens, made by rule.

None can be downloaded here, and what a token says makes no difference to what is measured. Tokens
beyond the alphabet are pairs of its letters, so that texts have about half as many tokens as bytes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path


def byte_letters() -> list[str]:
    """GPT-2's letter for each byte: itself where it can be printed, others from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = itertools.count(0x100)
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def pairs(letters: Sequence[str], count: int, taken: Iterable[str] = ()) -> list[tuple[str, str]]:
    """The first pairs of letters whose tokens are not taken."""
    taken = set(taken)
    every = ((a, b) for a in letters for b in letters if a + b not in taken)
    found = list(itertools.islice(every, count))
    if len(found) < count:
        raise ValueError(f"{len(letters)} letters make no {count} pairs")
    return found


def added(token_id: int, content: str, *, special: bool) -> dict[str, object]:
    """A token beside those of the model."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False}
    normalized = {"normalized": not special, "special": special}
    return {"id": token_id, "content": content, **flags, **normalized}


def byte_level(**fields: object) -> dict[str, object]:
    """A step of a tokenizer over bytes."""
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, **fields}


def document(
    vocabulary: Sequence[str], merges: Sequence[tuple[str, str]], **fields: object
) -> dict[str, object]:
    """What all `tokenizer.json` have in common; `fields` take the place of others."""
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": {token: number for number, token in enumerate(vocabulary)},
        "merges": [f"{left} {right}" for left, right in merges],
    }
    model.update(fields.pop("model", {}))
    empty = {"truncation": None, "padding": None, "post_processor": None}
    return {"version": "1.0", **empty, **fields, "model": model}


def write_neox(path: Path) -> None:
    """GPT-NeoX-20B's: 50,277 tokens, the last 23 of them runs of spaces."""
    runs = 23
    specials = ["<|endoftext|>", "<|padding|>"]
    letters = byte_letters()
    merges = pairs(letters, 50_277 - runs - len(specials) - len(letters))
    vocabulary = [*specials, *letters, *(a + b for a, b in merges)]
    first = len(vocabulary)
    others = [added(number, token, special=True) for number, token in enumerate(specials)]
    # The longest comes first.
    others += [added(first + i, " " * (runs + 1 - i), special=False) for i in range(runs)]
    fields = document(
        vocabulary,
        merges,
        added_tokens=others,
        normalizer={"type": "NFC"},
        pre_tokenizer=byte_level(),
        decoder=byte_level(),
    )
    path.write_text(json.dumps(fields, ensure_ascii=False), encoding="utf-8")


def write_llama(path: Path) -> None:
    """LLaMA's with IDEFICS' two tokens behind: SentencePiece's pairs over 32,000 tokens."""
    control = ["<unk>", "<s>", "</s>"]
    space = "\u2581"
    letters = [space, *map(chr, range(0x21, 0x7F)), *map(chr, range(0xA1, 0xFA))]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    merges = pairs(letters, 32_000 - len(control) - len(byte_tokens) - len(letters))
    vocabulary = [*control, *byte_tokens, *letters, *(a + b for a, b in merges)]
    others = [added(number, token, special=True) for number, token in enumerate(control)]
    for token in ("<fake_token_around_image>", "<image>"):
        others.append(added(len(vocabulary) + len(others) - len(control), token, special=True))
    fields = document(
        vocabulary,
        merges,
        added_tokens=others,
        normalizer={
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": space},
                {"type": "Replace", "pattern": {"String": " "}, "content": space},
            ],
        },
        pre_tokenizer=None,
        decoder={
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": space}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        model={"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True},
    )
    path.write_text(json.dumps(fields, ensure_ascii=False), encoding="utf-8")


def write_opt(folder: Path) -> None:
    """OPT's `vocab.json` and `merges.txt`: 50,265 tokens, `image` among them."""
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = byte_letters()
    # What `<image>` is spelled with.
    word = [("i", "m"), ("im", "a"), ("ima", "g"), ("imag", "e")]
    of_word = [left + right for left, right in word]
    merges = pairs(letters, 50_265 - len(specials) - len(letters) - len(word), of_word)
    merges = [*word, *merges]
    vocabulary = [*specials, *letters, *(a + b for a, b in merges)]
    ids = {token: number for number, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
