"""Training of the bridges in stages, after the tagger.

`caption` learns captions by cross-entropy. `self_critical` raises CIDEr-D itself: it samples a few captions of each
image and makes those likelier that score above the others (the mean of the other samples is the baseline).
`episodes` learns answers that depend on the examples before them; `self_critical` can rehearse them. `distillation`
learns from the same episodes what teachers say instead of what is written, see that module. Everything random in a step
follows from the seed, the step and the process, so that a resumed run takes the same step. Under `torchrun` several
processes share each batch.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as distributed
import torch.nn.functional as F
from torch import Tensor, nn

from .abilities.bars import measure
from .abilities.bench import Bench
from .assemble import assemble, load_bridges, pretrained_blocks
from .consensus import CiderScorer, consensual_captions
from .data import Example, Question, data_folder, read_questions, read_split
from .distillation import Described, DescribedCaptions, Teachers
from .episodes.mixture import Episode, Mixture, passes
from .episodes.photos import Photos
from .evaluate import caption_images, caption_loss, cider
from .export import read_bridges
from .features import FeatureStore, JoinedStores
from .generate import decode, pad_left, until_end
from .model import Flamingo
from .recipe import DEFAULT, Recipe
from .sequences import Chunk, PromptFormat, collate, epoch_batches, list_media
from .times import prefer_times
from .workers import Workers


def learning_rate(step: int, settings: dict[str, Any]) -> float:
    """Linear warm-up, then a cosine from the peak to the final rate."""
    peak, final, warmup = settings["learning_rate"], settings["final_learning_rate"], settings["warmup"]
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, settings["steps"] - warmup)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def make_optimizer(model: Flamingo, settings: dict[str, Any]) -> torch.optim.AdamW:
    """AdamW with weight decay on the matrices of resampler and cross-attention only.

    The pretrained blocks of the vision encoder take steps in proportion to their size: with batch norm folded in, one
    tensor's values are thirty times another's.
    """
    groups: list[dict[str, Any]] = []
    kinds: dict[str, list[nn.Parameter]] = {"decayed": [], "others": []}
    for name, parameter in model.bridges().items():
        if name.startswith("vision_encoder."):
            size = parameter.detach().square().mean().sqrt().item()
            groups.append({"params": [parameter], "weight_decay": 0.0, "rate": settings["vision_rate"] * size})
        else:
            matrix = parameter.dim() == 2 and "latents" not in name and "embedding" not in name
            kinds["decayed" if matrix else "others"].append(parameter)
    groups.append({"params": kinds["decayed"], "weight_decay": settings["weight_decay"], "rate": 1.0})
    groups.append({"params": kinds["others"], "weight_decay": 0.0, "rate": 1.0})
    return torch.optim.AdamW(groups, lr=0.0, betas=tuple(settings.get("betas", (0.9, 0.98))), fused=True)


def by_kind(episodes: Sequence[Episode]) -> Iterator[tuple[str, list[int], list[Episode]]]:
    """The episodes of a pass that can be learned together: their kind, the rows of their sequences, themselves."""
    groups: dict[tuple[str, int], tuple[list[int], list[Episode]]] = {}
    row = 0
    for episode in episodes:
        rows, members = groups.setdefault((episode.kind, len(episode.sequences)), ([], []))
        rows += range(row, row + len(episode.sequences))
        members.append(episode)
        row += len(episode.sequences)
    for (kind, _), (rows, members) in groups.items():
        yield kind, rows, members


class Trainer:
    """One stage: model, optimizer, data and the log."""

    def __init__(
        self,
        stage: str,
        recipe: Recipe,
        model: Flamingo,
        format_: PromptFormat,
        train: Sequence[Example],
        store: FeatureStore | JoinedStores,
        device: str,
        bf16: bool = True,
        questions: Sequence[Question] = (),
        workers: int = 0,
        teachers: Teachers | None = None,
        described: Described | None = None,
    ) -> None:
        self.teachers = teachers
        self.stage, self.recipe, self.settings = stage, recipe, recipe[stage]
        self.model, self.format, self.store, self.device, self.bf16 = model, format_, store, device, bf16
        self.step = 0
        self.pass_tokens, self.fill = (recipe["episodes"][name][device] for name in ("pass_tokens", "fill"))
        self.rank, self.processes = 0, 1
        if distributed.is_initialized():
            self.rank, self.processes = distributed.get_rank(), distributed.get_world_size()
        self.optimizer = make_optimizer(model, self.settings)
        model.set_dropout(self.settings.get("latent_dropout", 0.0), self.settings.get("cross_attention_dropout", 0.0))
        references = [example.captions for example in train]
        self.scorer: CiderScorer | None = None
        self.mixture: Mixture | None = None
        if stage == "caption":
            kept = consensual_captions(references, recipe["data"]["captions_an_image"])
            self.captions = [[format_.caption(text) for text in texts] for texts in kept]
            self.batches_an_epoch: dict[int, list[list[list[Chunk]]]] = {}
        elif stage == "self_critical":
            self.scorer = CiderScorer(references, with_end=True)
            self.references = references
        if stage == "episodes" and model.perceiver.time_span() < 0.5 * self.settings["time_line"]:
            with torch.no_grad():
                tokens = model.vision_tokens(store.read(range(self.settings["time_photos"])).to(device))
            line, tag, slopes = (self.settings[f"time_{name}"] for name in ("line", "tag", "slopes"))
            prefer_times(model.perceiver, tokens, line, tag, slopes)
        if self.rehearsal:
            photos = Photos.of(train, keep=recipe["data"]["captions_an_image"])
            named = [name for name in ("seed", "tokens", "shares", "weights") if name in self.settings]
            settings = recipe["episodes"] | {name: self.settings[name] for name in named}
            settings |= {"pass_tokens": self.pass_tokens, "fill": self.fill}
            if stage == "self_critical":
                # Captions are what the reward teaches: their likelihood would pull the other way.
                settings["shares"] = settings["shares"] | {"captions": 0.0}
            elif stage == "distillation":
                # Teachers name tokens; which of several texts is the right one is not a token.
                settings["shares"] = settings["shares"] | {"choices": 0.0}
            self.mixture = Mixture(format_, photos, questions, settings, recipe.resampler.max_frames)
            if described is not None:
                captions = DescribedCaptions(format_, photos, described, settings | self.settings)
                self.mixture.kinds["captions"] = captions
        self.workers = Workers(workers, self.mixture, self.scorer)
        self.average: dict[str, Tensor] = {}
        if "average" in self.settings:
            self.average = {name: parameter.detach().clone() for name, parameter in model.bridges().items()}

    @property
    def rehearsal(self) -> float:
        """The weight of the episodes' loss: all there is in the stages that learn nothing else."""
        return 1.0 if self.stage in ("episodes", "distillation") else self.settings.get("rehearsal", 0.0)

    def autocast(self) -> torch.autocast:
        """Matrix products in bf16 where that is wanted."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.bf16)

    def caption_batch(self, step: int) -> list[list[Chunk]]:
        """The sequences of a step: epochs follow one another, each in its own order."""
        data = self.recipe["data"]
        epoch = 0
        while True:
            if epoch not in self.batches_an_epoch:
                self.batches_an_epoch[epoch] = epoch_batches(
                    self.captions,
                    self.settings["batch"],
                    data["interleaved_share"],
                    data["text_only_share"],
                    np.random.default_rng((self.settings["seed"], epoch)),
                )
            batches = self.batches_an_epoch[epoch]
            if step < len(batches):
                return batches[step]
            step, epoch = step - len(batches), epoch + 1

    def caption_loss(self, random: np.random.Generator) -> dict[str, Tensor]:
        """Cross-entropy of a batch of sequences."""
        sequences = self.caption_batch(self.step)
        batch = collate(self.format, sequences[self.rank :: self.processes] or sequences[:1])
        features = self.store.read(batch.images, random).to(self.device)
        with self.autocast():
            latents = self.model.see(features[:, None])[:, 0]
            hidden = self.model.hidden(batch.ids.to(self.device), latents[batch.index.to(self.device)])
            targets = batch.targets.to(self.device)
            learned = targets >= 0
            logits = self.model.logits(hidden[learned])
        return {"loss": F.cross_entropy(logits.float(), targets[learned])}

    def examples_for(self, image: int, shots: int, random: np.random.Generator) -> list[Chunk]:
        """So many other photos, each with one of its captions, which are not learned."""
        others = random.choice(len(self.references) - 1, shots, replace=False)
        others += others >= image
        texts = [self.references[other][random.integers(len(self.references[other]))] for other in others]
        return [
            Chunk(other, self.format.caption(text), learned=False)
            for other, text in zip(others.tolist(), texts, strict=True)
        ]

    def self_critical_gradients(self, random: np.random.Generator) -> dict[str, Tensor]:
        """Policy gradient on sampled captions, each against the mean reward of the image's other samples.

        The gradients are added to the model's. Some steps' prompts begin with random shots, equally many for all
        images. Of each image only the best and the worst sample are learned from: they carry most of the signal.
        """
        settings, samples = self.settings, self.settings["samples"]
        images = random.choice(len(self.references), settings["images"], replace=False)
        images = images[self.rank :: self.processes].tolist()
        shots = 0
        if random.random() < settings["shots_share"]:
            shots = int(random.integers(1, settings["most_shots"] + 1))
        examples = [self.examples_for(image, shots, random) for image in images]
        shown, _, index = list_media(
            [[*chunks, Chunk(image, ())] for image, chunks in zip(images, examples, strict=True)]
        )
        place = {image: position for position, image in enumerate(shown)}
        features = self.store.read(shown, random)[:, None].to(self.device)
        prompt, mask = pad_left([self.format.prompt(chunks) for chunks in examples], self.format.end)
        prompt = prompt.to(self.device).repeat_interleave(samples, dim=0)
        mask = None if mask is None else mask.to(self.device).repeat_interleave(samples, dim=0)
        self.model.eval()
        with torch.inference_mode(), self.autocast():
            media = self.model.see(features)[:, 0][index.to(self.device)].repeat_interleave(samples, dim=0)
            tokens = decode(
                self.model,
                self.format,
                prompt,
                media,
                settings["new_tokens"],
                mask,
                temperature=settings["temperature"],
            )
        self.model.train()
        ended = (tokens[:, -1] == self.format.end).cpu()
        rows = [until_end(row, self.format.end) for row in tokens.tolist()]
        captions = [self.format.tokenizer.decode(row) for row in rows]
        scores = self.workers.scores([(images[row // samples], text) for row, text in enumerate(captions)])
        # A sample that never ended is worth nothing to the others' baseline and teaches nothing itself.
        rewards = (torch.tensor(scores) * ended).view(-1, samples)
        advantages = (rewards - rewards.mean(1, keepdim=True)) * samples / (samples - 1)
        advantages = advantages.flatten() * ended
        first = torch.arange(len(images)) * samples
        chosen = torch.cat([first + rewards.argmax(1), first + rewards.argmin(1)])
        weighed = []
        for row in chosen.tolist():
            chunks = [*examples[row // samples], Chunk(images[row // samples], tuple(rows[row]))]
            length = len(self.format.sequence(chunks)[0])
            weighed.append(Episode("sample", [chunks], length, len(rows[row]) + 1, advantages[row].item()))
        weighed.sort(key=lambda episode: -episode.tokens)
        total = sum(episode.learned for episode in weighed)
        loss = torch.zeros((), device=self.device)
        for part in passes(weighed, self.pass_tokens, self.fill):
            batch = collate(self.format, [episode.sequences[0] for episode in part])
            targets = batch.targets.to(self.device)
            learned = targets >= 0
            with self.autocast():
                latents = self.model.see(features[[place[image] for image in batch.images]])[:, 0]
                hidden = self.model.hidden(batch.ids.to(self.device), latents[batch.index.to(self.device)])
                logits = self.model.logits(hidden[learned])
            # The policy that was sampled from is the sharpened one.
            negative = F.cross_entropy(logits.float() / settings["temperature"], targets[learned], reduction="none")
            weights = torch.tensor([episode.weight for episode in part], device=self.device)
            piece = (weights[:, None].expand_as(targets)[learned] * negative).sum() / total
            piece.backward()
            loss += piece.detach()
        length = torch.tensor([len(row) for row in rows]).float().mean()
        return {"loss": loss, "reward": rewards.mean(), "length": length}

    def episode_gradients(self, random: np.random.Generator) -> dict[str, Tensor]:
        """Cross-entropy of a step's episodes, in passes of similar length; the gradients are added to the model's.

        A token weighs the same whichever process learns it: the processes' gradients are averaged afterwards, so
        each counts its sum as many times as there are processes. The losses returned are unweighted.
        """
        share = self.workers.share(self.step, self.rank, self.processes)
        losses: dict[str, list[Tensor]] = {}
        for part, batch in share.passes:
            features = self.store.read(batch.images, random).to(self.device)
            targets = batch.targets.to(self.device)
            learned = targets >= 0
            with self.autocast():
                latents = self.model.see_media(features, batch.media)
                hidden = self.model.hidden(batch.ids.to(self.device), latents[batch.index.to(self.device)])
                logits = self.model.logits(hidden[learned])
            negative = targets.new_zeros(targets.shape, dtype=torch.float32)
            negative[learned] = F.cross_entropy(logits.float(), targets[learned], reduction="none")
            weighted = []
            for kind, rows, episodes in by_kind(part):
                if len(episodes[0].sequences) > 1:
                    pieces = self.choice_losses(negative[rows], targets[rows], len(episodes[0].sequences))
                else:
                    pieces = negative[rows][learned[rows]]
                weighted.append(episodes[0].weight * pieces.sum())
                losses.setdefault(kind, []).append(pieces.detach())
            (torch.stack(weighted).sum() * self.rehearsal * self.processes / share.total).backward()
        means = {kind: torch.cat(pieces).mean() for kind, pieces in sorted(losses.items())}
        return {"loss": torch.cat([piece for pieces in losses.values() for piece in pieces]).mean(), **means}

    def distillation_gradients(self, random: np.random.Generator) -> dict[str, Tensor]:
        """Kullback-Leibler divergence from the teachers over a step's episodes, weighed as `episode_gradients` does."""
        share = self.workers.share(self.step, self.rank, self.processes)
        losses: dict[str, list[Tensor]] = {}
        for part, batch in share.passes:
            features = self.store.read(batch.images, random).to(self.device)
            learned = (batch.targets >= 0).to(self.device)
            weighted = []
            with self.autocast():
                latents = self.model.see_media(features, batch.media)
                hidden = self.model.hidden(batch.ids.to(self.device), latents[batch.index.to(self.device)])
                for kind, rows, episodes in by_kind(part):
                    target = self.teachers.probabilities(kind, episodes)
                    scores = self.model.logits(hidden[rows][learned[rows]]).float().log_softmax(-1)
                    pieces = F.kl_div(scores, target, reduction="none").sum(-1)
                    weighted.append(episodes[0].weight * pieces.sum())
                    losses.setdefault(kind, []).append(pieces.detach())
            (torch.stack(weighted).sum() * self.processes / share.total).backward()
        means = {kind: torch.cat(pieces).mean() for kind, pieces in sorted(losses.items())}
        return {"loss": torch.cat([piece for pieces in losses.values() for piece in pieces]).mean(), **means}

    def choice_losses(self, negative: Tensor, targets: Tensor, sequences: int) -> Tensor:
        """What squares of media by texts teach, from their tokens' cross-entropy, both (squares * sequences, length).

        Of each square the cross-entropies of choosing each medium's text, by the mean log-likelihood of its tokens,
        and each text's medium, by their sum: how common and how long a text is weighs in the first choice and cancels
        out in the second. The last token, which ends the chunk, does not count. -> (squares).
        """
        side = math.isqrt(sequences)
        counted = (targets >= 0) & (targets != self.format.end)
        sums = -(negative * counted).sum(1)
        means = (sums / counted.sum(1)).view(-1, side, side)
        sums = sums.view(-1, side, side)
        right = torch.arange(side, device=means.device).repeat(len(means))
        sharpness = self.recipe["episodes"]["choice_sharpness"]
        texts = F.cross_entropy(sharpness * means.flatten(0, 1), right, reduction="none")
        media = F.cross_entropy(sums.transpose(1, 2).flatten(0, 1), right, reduction="none")
        return (texts + media).view(-1, side).mean(1) / 2

    def average_gradients(self) -> None:
        """Replaces every gradient by its mean over the processes."""
        if self.processes == 1:
            return
        gradients = [parameter.grad for parameter in self.model.bridges().values()]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.processes
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def train_step(self) -> dict[str, float]:
        """One optimizer step; the values returned are those of this process's share of the batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.settings) * group["rate"]
        random = np.random.default_rng((self.settings["seed"], self.step))
        seeds = np.random.SeedSequence((self.settings["seed"], self.step, self.rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        self.model.train()
        self.optimizer.zero_grad()
        values: dict[str, Tensor] = {}
        if self.stage == "caption":
            values = self.caption_loss(random)
            values["loss"].backward()
        elif self.stage == "self_critical":
            values = self.self_critical_gradients(random)
        if self.stage == "distillation":
            values = self.distillation_gradients(random)
        elif self.rehearsal:
            values = self.episode_gradients(random) | values
        self.average_gradients()
        norms = self.clip_gradients()
        self.optimizer.step()
        self.step += 1
        self.follow_average()
        return {name: value.item() for name, value in values.items()} | norms

    def clip_gradients(self) -> dict[str, float]:
        """Shortens the gradient to the recipe's length and returns the length before.

        That of the vision encoder by itself: where batch norm is folded into small weights it is ten times as long.
        """
        families: dict[str, list[nn.Parameter]] = {}
        for name, parameter in self.model.bridges().items():
            family = "vision_gradient" if name.startswith("vision_encoder.") else "gradient"
            families.setdefault(family, []).append(parameter)
        clip = self.settings["clip"]
        return {family: nn.utils.clip_grad_norm_(members, clip).item() for family, members in families.items()}

    @torch.no_grad()
    def follow_average(self) -> None:
        """Moves the moving average towards the bridges, faster while there are few steps to average over."""
        if self.average:
            decay = min(self.settings["average"], self.step / (self.step + 10))
            bridges = self.model.bridges()
            torch._foreach_lerp_([*self.average.values()], [bridges[name] for name in self.average], 1 - decay)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with the averaged bridges, where there are any."""
        trained = {name: parameter.detach().clone() for name, parameter in self.model.bridges().items()}
        if self.average:
            load_bridges(self.model, self.average)
        yield
        load_bridges(self.model, trained)

    def evaluate(self, dev: Sequence[Example], store: FeatureStore) -> dict[str, float]:
        """Dev loss and greedy CIDEr on the first images of dev."""
        settings = self.recipe["evaluation"]
        count = min(settings["images"], len(dev))
        self.model.eval()
        with self.autocast():
            loss = caption_loss(self.model, self.format, store, dev, count, settings["batch"])
            ids = caption_images(
                self.model, self.format, store, range(count), settings["batch"], settings["new_tokens"]
            )
        captions = [self.format.tokenizer.decode(row) for row in ids]
        score = cider(captions, [example.captions for example in dev[:count]])
        return {"dev_images": count, "dev_loss": round(loss, 4), "dev_cider": round(score, 2)}

    def evaluate_abilities(self, bench: Bench) -> dict[str, float]:
        """Every ability on a few dev items, by the names of `abilities.bars`."""
        settings = self.recipe["evaluation"]
        self.model.eval()
        with self.autocast():
            lines = measure(bench, settings["items"], settings["seed"])
        return {line.name: round(line.score, 2) for line in lines}

    def save(self, path: Path) -> None:
        """Writes a checkpoint; the old one is replaced only when the new one is whole."""
        partial = path.with_suffix(".partial")
        torch.save(
            {
                "stage": self.stage,
                "step": self.step,
                "bridges": {name: p.detach().cpu() for name, p in self.model.bridges().items()},
                "optimizer": self.optimizer.state_dict(),
                **({"average": {name: tensor.cpu() for name, tensor in self.average.items()}} if self.average else {}),
            },
            partial,
        )
        partial.rename(path)

    def resume(self, path: Path) -> None:
        """Continues from a checkpoint of the same stage."""
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        if checkpoint["stage"] != self.stage:
            raise ValueError(f"{path} is a checkpoint of the stage {checkpoint['stage']}, not {self.stage}")
        load_bridges(self.model, checkpoint["bridges"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.step = checkpoint["step"]
        for name, tensor in self.average.items():
            tensor.copy_(checkpoint["average"][name])


def mean_values(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each value over the steps that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: round(float(np.mean([row[name] for row in rows if name in row])), 4) for name in names}


def run(trainer: Trainer, evaluate: Callable[[], dict[str, float]], checkpoint: Path, log: Path) -> None:
    """Trains to the last step; the first process evaluates, logs and saves at the recipe's interval."""
    every, start = trainer.settings["evaluate_every"], time.monotonic()
    recent: list[dict[str, float]] = []
    while trainer.step < trainer.settings["steps"]:
        recent.append(trainer.train_step())
        if trainer.rank:
            continue
        if trainer.step % 10 == 0:
            means = mean_values(recent[-10:])
            print(f"{trainer.stage} {trainer.step} {means} {time.monotonic() - start:.0f} s", flush=True)
        if trainer.step % every == 0 or trainer.step == trainer.settings["steps"]:
            trainer.save(checkpoint)
            means = mean_values(recent)
            recent = []
            with trainer.averaged():
                entry = {"stage": trainer.stage, "step": trainer.step, **means, **evaluate()}
            print(json.dumps(entry), flush=True)
            with log.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(entry) + "\n")


def describe(teachers: Teachers, recipe: Recipe, path: Path, device: str) -> Described:
    """What the teachers see in the pictures, from `path` where a run that was interrupted left it."""
    found = path.exists()
    if distributed.is_initialized():
        # No process may look after another has written.
        distributed.barrier()
    if found:
        return Described.load(path)
    settings = recipe["evaluation"]
    with torch.autocast(device, torch.bfloat16):
        described = teachers.describe(settings["batch"], settings["new_tokens"], recipe["distillation"]["neighbours"])
    if not distributed.is_initialized() or distributed.get_rank() == 0:
        described.save(path)
    return described


def main() -> None:
    """Command line of the stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=["caption", "self_critical", "episodes", "distillation"])
    parser.add_argument("--recipe", type=Path, default=DEFAULT)
    parser.add_argument("--language-model", type=Path, required=True, help="the GGUF of the language model")
    parser.add_argument("--cache", type=Path, required=True, help="folder of vision features")
    parser.add_argument("--checkpoint", type=Path, required=True, help="written; resumed from where it exists")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON lines of dev loss and CIDEr by step")
    parser.add_argument("--bridges", type=Path, help="start from these bridges (.safetensors or .gguf)")
    parser.add_argument("--teachers", type=Path, nargs="+", help="bridges to distil, else those that it starts from")
    parser.add_argument("--tagger", type=Path, help="start with the resampler that the tagger trained")
    parser.add_argument("--vision-encoder", type=Path, help="start with this EfficientNet-Lite2 state dict (.pth)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--workers", type=int, help="processes that make batches; without a GPU the training's own does"
    )
    arguments = parser.parse_args()
    if arguments.stage == "distillation" and not arguments.bridges:
        parser.error("distillation starts from bridges: name them with --bridges")
    recipe = Recipe.load(arguments.recipe)
    if "WORLD_SIZE" in os.environ:
        # The others wait while the first process evaluates, on a busy machine for longer than the default allows.
        backend = "gloo" if arguments.device == "cpu" else "nccl"
        distributed.init_process_group(backend, timeout=timedelta(hours=6))
        if arguments.device == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.manual_seed(recipe[arguments.stage]["seed"])
    model, format_ = assemble(recipe, arguments.language_model, arguments.device, torch.bfloat16)
    model.initialise(recipe["caption"]["gate"])
    if arguments.tagger:
        model.perceiver.load_state_dict(torch.load(arguments.tagger, weights_only=True))
    if arguments.vision_encoder:
        model.vision_encoder.load_state_dict(pretrained_blocks(recipe, arguments.vision_encoder).state_dict())
    if arguments.bridges:
        load_bridges(model, read_bridges(arguments.bridges))
    folder = data_folder() / "flickr8k"
    train, dev = read_split(folder, "train"), read_split(folder, "dev")
    on_gpu = arguments.device == "cuda"
    views, held = recipe["data"]["views"], arguments.device if on_gpu else None
    store, questions = FeatureStore(arguments.cache, "train", views, held), []
    if arguments.stage != "caption":
        questions = read_questions(data_folder() / "vqa", "train")
        store = JoinedStores([store, FeatureStore(arguments.cache, "vqa-train", views, held)])
    workers = arguments.workers
    if workers is None:
        workers = (os.cpu_count() or 1) - 1 if on_gpu else 0
    teachers, described = None, None
    if arguments.stage == "distillation":
        members = [
            assemble(recipe, arguments.language_model, arguments.device, torch.bfloat16, bridges)[0]
            for bridges in arguments.teachers or [arguments.bridges]
        ]
        seen = [
            JoinedStores([FeatureStore(arguments.cache, split, [view], held) for split in ("train", "vqa-train")])
            for view in recipe["distillation"]["views"]
        ]
        teachers = Teachers(members, seen, format_)
        described = describe(teachers, recipe, arguments.checkpoint.with_suffix(".json"), arguments.device)
    trainer = Trainer(
        arguments.stage,
        recipe,
        model,
        format_,
        train,
        store,
        arguments.device,
        questions=questions,
        workers=workers,
        teachers=teachers,
        described=described,
    )
    if arguments.checkpoint.exists():
        trainer.resume(arguments.checkpoint)
    evaluate = partial(trainer.evaluate, dev, FeatureStore(arguments.cache, "dev", ["plain"]))
    if arguments.stage == "episodes":
        evaluate = partial(trainer.evaluate_abilities, Bench.load(model, format_, arguments.cache))
    run(trainer, evaluate, arguments.checkpoint, arguments.metrics)
    trainer.workers.close()


if __name__ == "__main__":
    main()
