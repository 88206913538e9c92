"""The language model's byte-level BPE tokenizer, rebuilt from GGUF metadata, with Flamingo's two tokens."""

from __future__ import annotations

from pathlib import Path

import gguf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

END_OF_CHUNK = "<|endofchunk|>"
IMAGE = "<image>"
CONTROL = gguf.TokenType.CONTROL


def tokenizer_from_gguf(path: Path) -> Tokenizer:
    """A `tokenizers` tokenizer: digits one by one, then GPT-2's byte-level split and BPE.

    `<|endofchunk|>` and `<image>` take the two ids after the file's own vocabulary.
    """
    fields = gguf.GGUFReader(path).fields
    kind = fields["tokenizer.ggml.model"].contents(), fields["tokenizer.ggml.pre"].contents()
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"tokenizer.ggml.model, tokenizer.ggml.pre: expected gpt2, smollm, found {kind}")
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in [*special, END_OF_CHUNK, IMAGE]])
    if (tokenizer.token_to_id(END_OF_CHUNK), tokenizer.token_to_id(IMAGE)) != (len(tokens), len(tokens) + 1):
        raise ValueError("tokenizer.ggml.tokens: the added tokens did not take the ids after the vocabulary")
    return tokenizer
