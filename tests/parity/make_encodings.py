"""Writes tests/fixtures/smollm2/encodings.json: texts and the ids that the
Python package `tokenizers` (whose regular expressions are another engine's)
gives them with the default model's tokenizer.

    python -m venv venv && venv/bin/pip install -r tests/parity/encodings.requirements.txt
    venv/bin/python tests/parity/make_encodings.py
"""

import json
from pathlib import Path

from tokenizers import Tokenizer

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"

AWKWARD = [
    "",
    " ",
    "\n",
    "Output:",
    "Output:A dog runs",
    "Question:How many? Short answer:2",
    "room 2048, 3.14159 and 007",
    "don't, we'll, I'M, they'VE",
    "  two  spaces\tand tab \n\n new lines  ",
    "naïve café — “quotes” … €",
    "e\u0301 combining, \u00e9 composed",
    "日本語のテキスト、한국어, العربية, हिन्दी, ไทย",
    "👍🏽 👨‍👩‍👧‍👦 🇨🇭 ☃️ 🤷🏻‍♀️",
    "\u200b\u202e\ufeff\u00a0\u3000\u2028",
    "\x00\x01\x7f",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 \U0010ffff",
    "\ufffd \ufffd\ufffd",
    "<image>",
    "<|endofchunk|><|endoftext|><|im_start|>",
    "a <image> in the middle<|endofchunk|>",
    "x" * 100,
    "    indented = code(1)  # comment",
]


def main() -> None:
    tokenizer = Tokenizer.from_file(str(FIXTURES / "smollm2" / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    lines = (FIXTURES / "photos" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    captions = [caption for line in lines for caption in json.loads(line)["captions"]]
    cases = [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in AWKWARD + captions]
    output = FIXTURES / "smollm2" / "encodings.json"
    rows = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    output.write_text(f"[\n{rows}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
