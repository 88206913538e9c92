"""Writes tests/fixtures/convert/prompts.json: prompts of every family of Flamingos, and the ids
that their own programs give.

    python3.11 -m venv venv && venv/bin/pip install -r tests/parity/prompts.requirements.txt
    venv/bin/python tests/parity/make_prompts.py

| family | tokenizer | ids by |
| --- | --- | --- |
| `open-flamingo` | GPT-NeoX: BPE over bytes | `transformers`, of the texts of open_flamingo's evaluation |
| `open-flamingo-1` | LLaMA: SentencePiece BPE, byte fallback | the same, `<s>` in front |
| `idefics`, `idefics-instruct` | LLaMA | `IdeficsProcessor` |
| `flamingo-mini` | OPT: GPT-2's BPE, specials first | `transformers`, of that project's texts |

The tokenizers are trained here, and lack the tokens that a family adds. A case has `parts` (texts and
images), or a task's `shots` and `question` as they are told to a session; `answers` are given to be
scored, each with the ids that it has behind the prompt.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import sentencepiece
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Tokenizer,
    IdeficsImageProcessor,
    IdeficsProcessor,
    LlamaTokenizerFast,
    PreTrainedTokenizerFast,
)

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
OUT = FIXTURES / "convert" / "prompts.json"


class Picture:
    """Stands where an image stands; which one makes no difference to the ids."""


IMAGE = Picture()
END_OF_CHUNK = "<|endofchunk|>"

# Questions and answers of shots, and the question that follows them.
SHOTS = [("What is the dog doing?", "running"), ("How many people?", "2")]
QUESTION = "Is the water blue?"
CAPTIONS = ["A dog runs through the grass.", "Two people, a boat & water"]
ANSWERS = ["yes", "no", "a brown dog", "2"]

Case = dict[str, object]


def corpus() -> list[str]:
    """Captions, and words of prompts."""
    lines = (FIXTURES / "photos" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    captions = [caption for line in lines for caption in json.loads(line)["captions"]]
    words = ["Question: Short answer: Output: Answer:", "User: Assistant: Caption:", "<image>", "an image"]
    return captions + words * 8


def byte_level(lines: list[str], specials: list[str], size: int) -> Tokenizer:
    """BPE over bytes, split as GPT-2 does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def neox(lines: list[str]) -> tuple[dict[str, str], PreTrainedTokenizerFast]:
    """As EleutherAI/gpt-neox-20b."""
    tokenizer = byte_level(lines, ["<|endoftext|>", "<|padding|>"], 360)
    # As `open_flamingo` adds them.
    reference = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer.to_str()))
    reference.add_special_tokens({"additional_special_tokens": [END_OF_CHUNK, "<image>"]})
    reference.add_special_tokens({"pad_token": "<PAD>"})
    return {"tokenizer.json": tokenizer.to_str()}, reference


def opt(lines: list[str], folder: Path) -> tuple[dict[str, str], GPT2Tokenizer]:
    """As facebook/opt-30b, with the token that flamingo-mini adds."""
    tokenizer = byte_level(lines, ["<s>", "<pad>", "</s>", "<unk>"], 360)
    model = json.loads(tokenizer.to_str())["model"]
    files = {
        "vocab.json": json.dumps(model["vocab"], ensure_ascii=True),
        "merges.txt": "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in model["merges"]),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    reference = GPT2Tokenizer(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        bos_token="</s>",
        eos_token="</s>",
        unk_token="</s>",
        pad_token="<pad>",
        add_bos_token=True,
    )
    reference.add_special_tokens({"additional_special_tokens": ["<EOC>"]})
    return files, reference


def llama(lines: list[str], folder: Path) -> tuple[dict[str, str], Callable[[], LlamaTokenizerFast]]:
    """As huggyllama/llama-7b; what a family adds comes later."""
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
        model_type="bpe",
        vocab_size=420,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
    )

    def reference() -> LlamaTokenizerFast:
        # A space before each text, as in the files of 2023, which all of these families have.
        return LlamaTokenizerFast(
            vocab_file=str(folder / "tokenizer.model"), pad_token="<unk>", legacy=True, add_prefix_space=True
        )

    return {"tokenizer.json": reference().backend_tokenizer.to_str()}, reference


def parts_of(*parts: str | Picture) -> list[object]:
    """Texts and images as the fixture has them."""
    return [{"text": part} if isinstance(part, str) else "image" for part in parts]


def open_flamingo(encode: Callable[[str], list[int]]) -> list[Case]:
    """Texts as open_flamingo/eval/models/open_flamingo.py and eval/evaluate.py make them."""

    def vqa(question: str, answer: str | None = None) -> str:
        end = END_OF_CHUNK if answer is not None else ""
        return f"<image>Question:{question} Short answer:{answer if answer is not None else ''}{end}"

    def caption(text: str | None = None) -> str:
        end = END_OF_CHUNK if text is not None else ""
        return f"<image>Output:{text.strip() if text is not None else ''}{end}"

    asked = "".join(vqa(*shot) + "\n" for shot in SHOTS) + vqa(QUESTION)
    captioned = "".join(caption(text) + "\n" for text in CAPTIONS) + caption()
    cases = [
        raw("one image", encode("<image>Output:"), IMAGE, "Output:"),
        raw("adjacent images", encode("<image><image>Two dogs"), IMAGE, IMAGE, "Two dogs"),
        raw("no image", encode("Two dogs play"), "Two dogs play"),
        raw("text before the first image", encode("Look: <image> What is it?"), "Look: ", IMAGE, " What is it?"),
        task("visual-question", SHOTS, QUESTION, encode(asked)),
        task("caption", [("", text) for text in CAPTIONS], "", encode(captioned)),
    ]
    for case in cases[-2:]:
        text = asked if case["task"] == "visual-question" else captioned
        case["answers"] = [answer_of(case, answer, encode(text + answer)) for answer in ANSWERS]
    return cases


def idefics(processor: IdeficsProcessor) -> list[Case]:
    """Prompts of the model that was not trained on dialogues."""

    def encode(*items: str | Picture) -> list[int]:
        return processed(processor, items)

    def asked(question: str, answer: str = "") -> list[object]:
        return [IMAGE, f"Question: {question} Answer: {answer}"]

    def captioned(text: str = "") -> list[object]:
        return [IMAGE, f"Caption: {text}"]

    shots = [item for q, a in SHOTS for item in [IMAGE, f"Question: {q} Answer: {a}\n\n"]]
    shown = [item for text in CAPTIONS for item in [IMAGE, f"Caption: {text}\n\n"]]
    cases = raw_cases(encode)
    case = task("visual-question", SHOTS, QUESTION, encode(*shots, *asked(QUESTION)))
    case["answers"] = [answer_of(case, a, encode(*shots, *asked(QUESTION, a))) for a in ANSWERS]
    cases.append(case)
    case = task("caption", [("", text) for text in CAPTIONS], "", encode(*shown, *captioned()))
    case["answers"] = [answer_of(case, a, encode(*shown, *captioned(a))) for a in ANSWERS]
    cases.append(case)
    return cases


def idefics_instruct(processor: IdeficsProcessor) -> list[Case]:
    """Dialogues, as the documentation of `transformers` spells them."""
    end = "<end_of_utterance>"

    def encode(*items: str | Picture) -> list[int]:
        return processed(processor, items, add_end_of_utterance_token=False)

    def turn(number: int, question: str, answer: str) -> list[object]:
        user = "User:" if number == 0 else "\nUser:"
        return [user, IMAGE, f"{question}{end}", f"\nAssistant: {answer}"]

    def dialogue(shots: list[tuple[str, str]], question: str, answer: str = "") -> list[int]:
        turns = [turn(number, q, a + end) for number, (q, a) in enumerate(shots)]
        items = [item for one in turns for item in one] + turn(len(shots), question, answer)
        ids = encode(*items)
        # The processor puts the same tokens between turns by itself.
        bare = [item.replace(end, "") if isinstance(item, str) else item for item in items]
        assert processed(processor, bare) == ids
        return ids

    cases = raw_cases(encode)
    for shots in [[], SHOTS]:
        case = task("visual-question", shots, QUESTION, dialogue(shots, QUESTION))
        case["answers"] = [answer_of(case, a, dialogue(shots, QUESTION, a)) for a in ANSWERS]
        cases.append(case)
    asked = "Describe this image."
    case = task("caption", [("", text) for text in CAPTIONS], "", dialogue([(asked, c) for c in CAPTIONS], asked))
    cases.append(case)
    return cases


def raw_cases(encode: Callable[..., list[int]]) -> list[Case]:
    """Texts and images that IDEFICS takes as they are."""

    def case(name: str, *items: str | Picture) -> Case:
        return raw(name, encode(*items), *items)

    return [
        case("one image", IMAGE, "A dog"),
        case("adjacent images", IMAGE, IMAGE, IMAGE, "Three dogs"),
        case("images a space apart", IMAGE, " ", IMAGE, "Two dogs"),
        case("images a line apart", IMAGE, "\n", IMAGE, "Two dogs"),
        case("no image", " Two dogs play "),
        case("text before the first image", "Look: ", IMAGE, " What is it? ", IMAGE, "\n"),
        case("image at the end", "Look: ", IMAGE),
    ]


def flamingo_mini(encode: Callable[[str], list[int]]) -> list[Case]:
    """Texts as flamingo-mini makes them.

    `<image>` is spelled with the tokens of text, and a caption ends with `<EOC></s>`.
    """
    shown = "".join(f"<image>{text}<EOC></s>" for text in CAPTIONS) + "<image>"
    case = task("caption", [("", text) for text in CAPTIONS], "", encode(shown))
    case["answers"] = [answer_of(case, a, encode(shown + a)) for a in ANSWERS]
    return [
        raw("one image", encode("<image>"), IMAGE),
        raw("adjacent images", encode("<image><image>Two dogs"), IMAGE, IMAGE, "Two dogs"),
        raw("no image", encode("Two dogs play"), "Two dogs play"),
        raw("text before the first image", encode("Look:<image>A dog"), "Look:", IMAGE, "A dog"),
        case,
    ]


def processed(processor: IdeficsProcessor, items: list[object], **options: object) -> list[int]:
    """The ids of `IdeficsProcessor`."""
    prompt = [item if isinstance(item, str) else Image.new("RGB", (8, 8)) for item in items]
    return processor(text=[prompt], return_tensors="pt", **options)["input_ids"][0].tolist()


def raw(name: str, ids: list[int], *parts: str | Picture) -> Case:
    """A prompt of texts and images."""
    return {"name": name, "parts": parts_of(*parts), "ids": ids}


def task(name: str, shots: list[tuple[str, str]], question: str, ids: list[int]) -> Case:
    """A task with examples."""
    shots = [{"question": q, "answer": a} for q, a in shots]
    return {"name": f"{name} after {len(shots)}", "task": name, "shots": shots, "question": question, "ids": ids}


def answer_of(case: Case, answer: str, ids: list[int]) -> Case:
    """An answer with its ids behind the prompt of `case`."""
    before = case["ids"]
    assert isinstance(before, list) and ids[: len(before)] == before, (case["name"], answer)
    return {"text": answer, "ids": ids[len(before) :]}


def main() -> None:
    """Writes the file."""
    lines = corpus()
    families: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        neox_files, neox_reference = neox(lines)
        opt_files, opt_reference = opt(lines, folder)
        llama_files, llama_reference = llama(lines, folder)
        families["open-flamingo"] = {"tokenizer": "neox", "cases": open_flamingo(neox_reference.encode)}

        version_1 = llama_reference()
        version_1.add_special_tokens({"additional_special_tokens": [END_OF_CHUNK, "<image>"]})
        version_1.add_special_tokens({"pad_token": "<PAD>"})
        families["open-flamingo-1"] = {"tokenizer": "llama", "cases": open_flamingo(version_1.encode)}

        added = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
        for family, tokens, cases in [("idefics", added[:2], idefics), ("idefics-instruct", added, idefics_instruct)]:
            tokenizer = llama_reference()
            tokenizer.add_special_tokens({"additional_special_tokens": tokens})
            processor = IdeficsProcessor(IdeficsImageProcessor(), tokenizer)
            families[family] = {"tokenizer": "llama", "cases": cases(processor)}

        families["flamingo-mini"] = {"tokenizer": "opt", "cases": flamingo_mini(opt_reference.encode)}

    blocks = []
    for name, family in families.items():
        rows = ",\n".join(json.dumps(case, ensure_ascii=True) for case in family["cases"])
        blocks.append(f'{json.dumps(name)}: {{"tokenizer": "{family["tokenizer"]}", "cases": [\n{rows}\n]}}')
    tokenizers = {"neox": neox_files, "opt": opt_files, "llama": llama_files}
    files = ",\n".join(f"{json.dumps(name)}: {json.dumps(files)}" for name, files in tokenizers.items())
    text = f'{{"tokenizers": {{\n{files}\n}},\n"families": {{\n' + ",\n".join(blocks) + "\n}}\n"
    OUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
