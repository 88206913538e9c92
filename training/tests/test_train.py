"""The training stages on a tiny model."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from conftest import MemoryStore
from test_model import random_bridges

from flamingo_training.consensus import CiderScorer
from flamingo_training.evaluate import caption_images
from flamingo_training.tagger import precision_at_five, tag_targets, tag_vocabulary
from flamingo_training.train import Trainer, learning_rate
from flamingo_training.vision import InvertedBottleneck, LastBlocks, SamePaddedConvolution


def make(stage, recipe, model, format_, examples, store):
    return Trainer(stage, recipe, copy.deepcopy(model), format_, examples, store, "cpu", bf16=False)


@pytest.mark.parametrize("stage", ["caption", "self_critical"])
def test_a_resumed_run_takes_the_same_step(stage, recipe, model, format_, examples, store, tmp_path):
    """Dropout, data order, samples, moments and learning rate: all of them come back."""
    first = make(stage, recipe, model, format_, examples, store)
    for _ in range(3):
        first.train_step()
    first.save(tmp_path / "checkpoint.pt")
    expected = [first.train_step(), first.train_step()]
    torch.rand(5)
    second = make(stage, recipe, model, format_, examples, store)
    second.resume(tmp_path / "checkpoint.pt")
    assert second.step == 3
    assert [second.train_step(), second.train_step()] == expected
    for name, parameter in second.model.bridges().items():
        assert torch.equal(parameter, first.model.bridges()[name]), name


def test_a_checkpoint_of_another_stage_is_refused(recipe, model, format_, examples, store, tmp_path):
    make("caption", recipe, model, format_, examples, store).save(tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="stage caption"):
        make("self_critical", recipe, model, format_, examples, store).resume(tmp_path / "checkpoint.pt")


def test_the_frozen_decoder_stays(recipe, model, format_, examples, store):
    recipe["caption"].update({"weight_decay": 0.0})
    trainer = make("caption", recipe, model, format_, examples, store)
    trainer.train_step()
    trained = trainer.model.bridges()
    changed = {name for name, p in trainer.model.named_parameters() if not torch.equal(p, model.get_parameter(name))}
    assert changed <= set(trained)
    assert "perceiver.input_proj.weight" not in changed, "output projections start at zero, so nothing flows back yet"
    trainer.train_step()
    assert not torch.equal(trainer.model.perceiver.input_proj.weight, model.perceiver.input_proj.weight)


def test_the_vision_encoders_blocks_take_steps_of_their_size(recipe, model, format_, examples):
    """The grids of the blocks before them come in, and only the last ones learn, each tensor in proportion."""
    torch.manual_seed(5)
    first = InvertedBottleneck(3, 1, 2, 8, 8)
    model.vision_encoder = LastBlocks({"3": first}, SamePaddedConvolution(8, recipe.resampler.input_width, 1))
    with torch.no_grad():
        first.expand.weight.mul_(10)
        for layer in model.lang_encoder.model.layers:
            if layer.gated_cross_attn_layer is not None:
                layer.gated_cross_attn_layer.attn.to_out.weight.normal_(std=0.1)
    trainer = make("caption", recipe, model, format_, examples, MemoryStore(len(examples), 9, 8))
    before = {name: p.detach().clone() for name, p in trainer.model.vision_encoder.named_parameters()}
    trainer.train_step()
    rate = learning_rate(0, recipe["caption"]) * recipe["caption"]["vision_rate"]
    for name, parameter in trainer.model.vision_encoder.named_parameters():
        step = (parameter - before[name]).abs().max().item()
        # The first step of Adam is the learning rate, whatever the gradient.
        assert step == pytest.approx(rate * before[name].square().mean().sqrt().item(), rel=1e-2), name


def test_overfitting_and_self_critical(recipe, model, format_, examples, store):
    """Sixteen pictures can be learned by heart, and a policy step on top keeps a finite loss."""
    recipe["caption"].update({"steps": 500, "latent_dropout": 0.0, "cross_attention_dropout": 0.0, "batch": 16})
    recipe["data"].update({"captions_an_image": 1, "interleaved_share": 0.0})
    trainer = make("caption", recipe, model, format_, examples, store)
    losses = [trainer.train_step()["loss"] for _ in range(500)]
    assert losses[-1] < 0.4 < losses[0]
    trainer.model.eval()
    ids = caption_images(trainer.model, format_, store, range(len(examples)), 16, 24)
    captions = [format_.tokenizer.decode(row) for row in ids]
    right = sum(text in example.captions for text, example in zip(captions, examples, strict=True))
    assert right >= 12, captions
    critical = make("self_critical", recipe, trainer.model, format_, examples, store)
    step = critical.train_step()
    assert 0 < step["reward"] <= 10
    assert step["gradient"] == step["gradient"]


def test_shots_of_self_critical_prompts(recipe, model, format_, examples, store):
    """Other photos with captions of theirs, in the prompt and in what is learned, but not learned themselves."""
    recipe["self_critical"].update({"shots_share": 1.0, "most_shots": 2})
    trainer = make("self_critical", recipe, model, format_, examples, store)
    random = np.random.default_rng(3)
    for image in range(len(examples)):
        chunks = trainer.examples_for(image, 5, random)
        assert len({chunk.image for chunk in chunks} | {image}) == 6
        for chunk in chunks:
            assert not chunk.learned
            assert format_.tokenizer.decode(chunk.caption) in examples[chunk.image].captions
    trainer.model.set_dropout(0.0, 0.0)
    seen = []
    hidden = trainer.model.hidden

    def watched(ids, media, *rest):
        seen.append((ids, media.shape[1]))
        return hidden(ids, media, *rest)

    trainer.model.hidden = watched
    assert math.isfinite(trainer.train_step()["reward"])
    (prompts, shown), (learned, shown_again) = seen[0], seen[-1]
    assert shown == shown_again > 1
    assert ((prompts == format_.image).sum(1) == shown).all()
    assert ((learned == format_.image).sum(1) == shown).all()


def test_self_critical_passes_share_one_gradient(recipe, model, format_, examples, store):
    """Cut into passes, a step's gradient is that of one."""
    recipe["self_critical"].update({"clip": 1e9, "temperature": 50.0})
    gradients = []
    for tokens in (10_000, 30):
        recipe["episodes"].update({"pass_tokens": {"cpu": tokens}, "fill": {"cpu": 0.7}})
        trainer = make("self_critical", recipe, model, format_, examples, store)
        trainer.model.set_dropout(0.0, 0.0)
        random_bridges(trainer.model)
        # Any words are worth something, so that a random model's samples differ in reward.
        trainer.workers.scores = lambda pairs: [float(len(text) % 7) for _, text in pairs]
        ended = trainer.format.end
        logits = trainer.model.logits

        def often_ending(hidden, logits=logits, ended=ended):
            scores = logits(hidden)
            return torch.cat([scores[..., :ended], scores[..., ended:] + 170.0], dim=-1)

        trainer.model.logits = often_ending
        torch.manual_seed(0)
        trainer.self_critical_gradients(np.random.default_rng(0))
        gradients.append(torch.cat([p.grad.flatten() for p in trainer.model.bridges().values()]))
    assert gradients[0].norm() > 1e-3
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-3)


def test_rewards_count_the_end():
    scorer = CiderScorer([["a dog runs"], ["a cat sits"]], with_end=True)
    assert scorer.score(0, "a dog runs") > scorer.score(0, "a dog runs a")


def test_learning_rate():
    settings = {"learning_rate": 1.0, "final_learning_rate": 0.1, "warmup": 4, "steps": 104}
    assert learning_rate(0, settings) == pytest.approx(0.25)
    assert learning_rate(4, settings) == pytest.approx(1.0)
    assert learning_rate(54, settings) == pytest.approx(0.55)
    assert learning_rate(104, settings) == pytest.approx(0.1)


def test_tags():
    captions = [["a dog runs"], ["a dog sits", "dog"], ["a cat"]]
    vocabulary = tag_vocabulary(captions, 2)
    assert vocabulary == ["a", "dog"]
    targets = tag_targets(captions, vocabulary)
    assert targets.tolist() == [[1, 1], [1, 1], [1, 0]]
    scores = torch.arange(6.0).expand(2, -1)
    assert precision_at_five(scores, torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 1.0]])) == pytest.approx(0.7)
