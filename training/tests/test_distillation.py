"""The stage that learns what teachers say, on a tiny model."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from conftest import MemoryStore
from test_episodes import SETTINGS, photos_of
from test_model import random_bridges

from flamingo_training.data import Question
from flamingo_training.distillation import Described, DescribedCaptions, Teachers, alone
from flamingo_training.episodes.mixture import Episode
from flamingo_training.episodes.photos import Photos
from flamingo_training.evaluate import caption_images
from flamingo_training.features import JoinedStores
from flamingo_training.sequences import IGNORED, Chunk, collate
from flamingo_training.train import Trainer, describe

PHOTOS = photos_of({"car": 4, "boat": 4, "guitar": 4, "bird": 4})
QUESTIONS = [Question(f"{place}.webp", f"what is {place}?", ("cat",), "object", "coco-qa") for place in range(6)]


@pytest.fixture
def view() -> JoinedStores:
    """The features of sixteen photos and of the questions' six images."""
    return JoinedStores([MemoryStore(16, 9, 16), MemoryStore(6, 9, 16)])


@pytest.fixture
def mirrored(view) -> JoinedStores:
    """Other features of the same pictures."""
    stores = [MemoryStore(16, 9, 16), MemoryStore(6, 9, 16)]
    for store in stores:
        store.features = store.features.flip(1) + 0.5
    return JoinedStores(stores)


@pytest.fixture
def model(model):
    """The tiny model, its scores so small that no token is certain."""
    with torch.no_grad():
        model.lang_encoder.model.embed_tokens.weight.mul_(0.1)
    return model


@pytest.fixture
def models(model):
    """Two models that differ in all their bridges."""
    first, second = copy.deepcopy(model), copy.deepcopy(model)
    random_bridges(first)
    random_bridges(second)
    with torch.no_grad():
        for parameter in second.bridges().values():
            parameter.mul_(-0.7)
    return first, second


def make(recipe, model, format_, view, teachers, **changes) -> Trainer:
    """A trainer of the stage, without dropout."""
    recipe.sections["episodes"] = copy.deepcopy(SETTINGS)
    recipe["data"].update({"captions_an_image": 2})
    dropouts = {"latent_dropout": 0.0, "cross_attention_dropout": 0.0}
    short = {"tokens": 500, "warmup": 2, "steps": 60, "learning_rate": 3e-3, "final_learning_rate": 1e-3}
    recipe["distillation"].update(dropouts | short | changes)
    # Before teachers are frozen: the model may be one of them.
    student = copy.deepcopy(model)
    teachers = Teachers(teachers, [view], format_)
    return Trainer(
        "distillation",
        recipe,
        student,
        format_,
        PHOTOS,
        view,
        "cpu",
        False,
        QUESTIONS,
        teachers=teachers,
        described=teachers.describe(8, 6, 12),
    )


def episode(kind: str, format_, *chunks: Chunk) -> Episode:
    ids, targets = format_.sequence(chunks)
    return Episode(kind, [list(chunks)], len(ids), sum(target != IGNORED for target in targets), 1.0)


def chunks_of(format_) -> list[Chunk]:
    """Two that teach, and between them one whose photo is not shown and one whose caption is given."""
    first, hidden, given, last = (Chunk(place, format_.caption(f"thing {place}")) for place in range(4))
    return [first, Chunk(1, hidden.caption, shown=False), Chunk(2, given.caption, learned=False), last]


def test_captions_are_taught_as_if_nothing_stood_before_them(format_, models, view):
    teachers = Teachers(models[:1], [view], format_)
    sequence = chunks_of(format_)
    assert alone([sequence, sequence[3:]]) == [[sequence[0]], [sequence[3]], [sequence[3]]]
    by_itself = [teachers.probabilities("captions", [episode("captions", format_, sequence[at])]) for at in (0, 3)]
    together = teachers.probabilities("captions", [episode("captions", format_, *sequence)])
    torch.testing.assert_close(together, torch.cat(by_itself), atol=1e-6, rtol=1e-4)
    in_context = teachers.probabilities("styles", [episode("styles", format_, *sequence)])
    assert in_context.shape == together.shape
    first = len(sequence[0].caption) + 1
    torch.testing.assert_close(in_context[:first], together[:first], atol=1e-6, rtol=1e-4)
    assert (in_context[first:] - together[first:]).abs().max() > 1e-3


def test_teachers_and_views_answer_by_the_mean_of_their_log_probabilities(format_, models, view, mirrored):
    taught = episode("captions", format_, chunks_of(format_)[0])

    def logs(model, seen) -> torch.Tensor:
        return Teachers([model], [seen], format_).probabilities("captions", [taught]).log()

    both = Teachers(models, [view, mirrored], format_)
    expected = (logs(models[0], view) + logs(models[1], mirrored)).div(2).softmax(-1)
    torch.testing.assert_close(both.probabilities("captions", [taught]), expected, atol=1e-6, rtol=1e-4)
    same = episode("words", format_, chunks_of(format_)[0])
    expected = (logs(models[0], view) + logs(models[0], mirrored)).div(2).softmax(-1)
    torch.testing.assert_close(both.probabilities("words", [same]), expected, atol=1e-6, rtol=1e-4)
    assert not any(parameter.requires_grad for model in both.models for parameter in model.parameters())


def test_questions_are_taught_by_themselves_and_in_their_sequence(format_, models, view):
    teachers = Teachers(models[:1], [view], format_)
    first, last = (
        Chunk(16 + place, format_.text(answer), question=format_.question(f"what is {place}?"))
        for place, answer in enumerate(("cat", "dog"))
    )
    by_itself = teachers.probabilities("captions", [episode("captions", format_, last)]).log()
    in_sequence = teachers.probabilities("words", [episode("words", format_, first, last)]).log()[-len(by_itself) :]
    assert (by_itself - in_sequence).abs().max() > 1e-3
    found = teachers.probabilities("questions", [episode("questions", format_, first, last)])[-len(by_itself) :]
    torch.testing.assert_close(found, (by_itself + in_sequence).div(2).softmax(-1), atol=1e-6, rtol=1e-4)


def describe_share(rank: int, folder: Path, teachers: Teachers) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    teachers.describe(4, 6, 5).save(folder / f"{rank}.json")
    distributed.destroy_process_group()


def test_processes_share_the_description_of_all_pictures(format_, models, view, tmp_path):
    with torch.no_grad():
        # So that captions differ.
        for parameter in models[0].bridges().values():
            parameter.mul_(4)
    teachers = Teachers(models, [view], format_)
    described = teachers.describe(8, 6, 5)
    assert described.captions == caption_images(models[0], format_, view, range(22), 8, 6)
    assert len({tuple(caption) for caption in described.captions}) > 1
    features = models[0].vision_tokens(view.read(range(22))).mean(1)
    for image, nearest in enumerate(described.nearest):
        alike = torch.cosine_similarity(features[image], features, dim=1)
        assert image not in nearest
        # Compared by how alike they are: some pictures of the two stores are the same.
        others = alike[torch.arange(22) != image]
        torch.testing.assert_close(alike[nearest], others.topk(5).values)
    multiprocessing.spawn(describe_share, (tmp_path, teachers), nprocs=2)
    assert [Described.load(tmp_path / f"{rank}.json") for rank in range(2)] == [described] * 2


def test_a_run_that_goes_on_finds_its_description(recipe, format_, models, view, tmp_path):
    recipe["distillation"]["neighbours"] = 5
    teachers, path = Teachers(models[:1], [view], format_), tmp_path / "checkpoint.json"
    made = describe(teachers, recipe, path, "cpu")
    assert Described.load(path) == made and len(made.captions) == 22
    other = Described([[7]] * 22, made.nearest)
    other.save(path)
    assert describe(teachers, recipe, path, "cpu") == other


def test_captions_are_written_or_the_teachers_own(format_):
    """Behind pictures that look like the query's, if that is wanted."""
    described = Described([[50 + image] for image in range(22)], [[(image + 1) % 22] * 3 for image in range(22)])
    photos = Photos.of(PHOTOS)
    always = SETTINGS | {"zero_shot_share": 0.0, "text_only_pair_share": 0.0, "most_shots": 1, "nearest_share": 1.0}
    random = np.random.default_rng(2)

    def draw(own: dict[str, float], **changes: float) -> list[Chunk]:
        return DescribedCaptions(format_, photos, described, always | {"own_shares": own} | changes).draw(random)

    for _ in range(20):
        shot, query = draw({"shot": 0.0, "query": 1.0})
        assert query.caption == (50 + query.image,)
        assert shot.image == (query.image + 1) % 22
        # The questions' pictures have no caption but the teacher's.
        written = [format_.caption(text) for text in photos.kept[shot.image]] if shot.image < 16 else []
        assert shot.caption in (written or [(50 + shot.image,)])
    apart = [draw({"shot": 1.0, "query": 0.0}, nearest_share=0.0) for _ in range(20)]
    assert any(shot.image != (query.image + 1) % 22 for shot, query in apart)
    assert all(shot.caption == (50 + shot.image,) for shot, _ in apart)
    assert {query.image for _, query in apart} & set(range(16, 22))


def test_what_the_teacher_says_already_teaches_nothing(recipe, format_, models, view):
    shares = {kind: float(kind not in ("captions", "questions")) for kind in SETTINGS["shares"]}
    trainer = make(recipe, models[0], format_, view, models[:1], shares=shares, tokens=2500)
    losses = trainer.distillation_gradients(np.random.default_rng(0))
    assert "choices" not in losses and len(losses) > 3
    assert all(abs(loss.item()) < 1e-5 for loss in losses.values()), losses
    gradients = [parameter.grad.norm() for parameter in trainer.model.bridges().values()]
    assert max(gradients) < 1e-4


def test_a_step_is_the_weighed_divergence_of_its_tokens(recipe, format_, models, view):
    """Sequence by sequence, however the step is cut into passes."""
    trainer = make(recipe, models[1], format_, view, models[:1])
    trainer.distillation_gradients(np.random.default_rng(0))
    found = [parameter.grad.clone() for parameter in trainer.model.bridges().values()]
    trainer.optimizer.zero_grad()
    total, weights = 0.0, 0.0
    for taught in trainer.mixture.step(0):
        target = trainer.teachers.probabilities(taught.kind, [taught])
        batch = collate(format_, taught.sequences)
        latents = trainer.model.see_media(view.read(batch.images), batch.media)
        hidden = trainer.model.hidden(batch.ids, latents[batch.index])[batch.targets >= 0]
        logits = trainer.model.logits(hidden).log_softmax(-1)
        total = total + taught.weight * (target * (target.log() - logits)).sum()
        weights += taught.weight * len(target)
    (total / weights).backward()
    expected = [parameter.grad for parameter in trainer.model.bridges().values()]
    scale = max(gradient.abs().max() for gradient in expected)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).abs().max() < 1e-4 * scale


def test_a_student_comes_to_say_what_its_teacher_says(recipe, model, format_, models, view, tmp_path):
    trainer = make(recipe, model, format_, view, models[:1])
    losses = [trainer.train_step()["loss"] for _ in range(40)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5]), losses
    trainer.save(tmp_path / "checkpoint.pt")
    expected = trainer.train_step()
    again = make(recipe, model, format_, view, models[:1])
    again.resume(tmp_path / "checkpoint.pt")
    assert again.train_step() == expected
