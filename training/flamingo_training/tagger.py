"""First stage: projection and resampler learn to name the words of the captions.

One linear head reads every latent, the latents' scores of a word are combined by log-sum-exp, and binary
cross-entropy asks which words occur in the image's captions. Minutes of this save most of the time in
which the bridges would otherwise have to discover that the picture matters.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .assemble import pretrained_blocks
from .consensus import words
from .data import data_folder, read_split
from .features import FeatureStore
from .model import PerceiverResampler
from .recipe import DEFAULT, Recipe
from .vision import LastBlocks


def tag_vocabulary(captions: Sequence[Sequence[str]], minimum_images: int) -> list[str]:
    """Words that the captions of at least so many images hold, in alphabetical order."""
    counts: Counter[str] = Counter()
    for texts in captions:
        counts.update({word for text in texts for word in words(text)})
    return sorted(word for word, count in counts.items() if count >= minimum_images)


def tag_targets(captions: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> Tensor:
    """(images, words): the share of an image's captions that hold a word, more than none counting as one."""
    place = {word: position for position, word in enumerate(vocabulary)}
    targets = torch.zeros(len(captions), len(vocabulary))
    for image, texts in enumerate(captions):
        for text in texts:
            for word in words(text):
                if word in place:
                    targets[image, place[word]] = 1.0
    return targets


class Tagger(nn.Module):
    """Last blocks of the vision encoder, which stay as they are, and resampler, with a word head on every latent."""

    def __init__(
        self, encoder: LastBlocks, resampler: PerceiverResampler, width: int, vocabulary: int, prior: Tensor
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.perceiver = resampler
        self.head = nn.Linear(width, vocabulary)
        with torch.no_grad():
            # Start at the words' frequencies, less what log-sum-exp over the latents adds.
            self.head.weight.normal_(std=0.02)
            self.head.bias.copy_(torch.logit(prior) - math.log(len(resampler.latents)))

    def forward(self, features: Tensor, dropout: float) -> Tensor:
        """(batch, tokens, channels) -> word scores (batch, words)."""
        tokens = self.encoder(features)
        latents = F.dropout(self.perceiver(tokens[:, None, None])[:, 0], dropout, self.training)
        return self.head(latents).float().logsumexp(dim=1)


def precision_at_five(scores: Tensor, targets: Tensor) -> float:
    """Share of the five highest words of each image that its captions hold."""
    return targets.gather(1, scores.topk(5, dim=1).indices).mean().item()


def train_tagger(recipe: Recipe, weights: Path, cache: Path, output: Path, device: str) -> None:
    """Trains the tagger and writes the resampler of its best epoch on dev."""
    settings = recipe["tagger"]
    torch.manual_seed(recipe["caption"]["seed"])
    random = np.random.default_rng(recipe["caption"]["seed"])
    folder = data_folder() / "flickr8k"
    train = [example.captions for example in read_split(folder, "train")]
    dev = [example.captions for example in read_split(folder, "dev")]
    vocabulary = tag_vocabulary(train, settings["minimum_images"])
    targets, dev_targets = tag_targets(train, vocabulary), tag_targets(dev, vocabulary)
    store = FeatureStore(cache, "train", recipe["data"]["views"])
    dev_store = FeatureStore(cache, "dev", ["plain"])
    resampler = PerceiverResampler(recipe.resampler)
    for name, parameter in resampler.named_parameters():
        if parameter.dim() == 2 and name != "frame_embs":
            nn.init.normal_(parameter, std=1.0 if name == "latents" else 0.02)
    encoder = pretrained_blocks(recipe, weights)
    tagger = Tagger(encoder, resampler, recipe.resampler.width, len(vocabulary), targets.mean(0)).to(device)
    trained = [parameter for parameter in tagger.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings["learning_rate"], betas=(0.9, 0.98))
    batch, epochs = settings["batch"], settings["epochs"]
    total = epochs * (len(train) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings["learning_rate"], total, pct_start=0.1)
    best = float("inf")
    for epoch in range(epochs):
        tagger.train()
        order = random.permutation(len(train))
        for first in range(0, len(train) - batch + 1, batch):
            images = order[first : first + batch]
            with torch.autocast(device, torch.bfloat16):
                scores = tagger(store.read(images, random).to(device), recipe["caption"]["latent_dropout"])
            loss = F.binary_cross_entropy_with_logits(scores, targets[images].to(device), reduction="none")
            loss = loss.sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
        tagger.eval()
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            scores = torch.cat(
                [
                    tagger(dev_store.read(range(first, min(first + batch, len(dev)))).to(device), 0.0).cpu()
                    for first in range(0, len(dev), batch)
                ]
            )
        dev_loss = F.binary_cross_entropy_with_logits(scores, dev_targets, reduction="none").sum(1).mean().item()
        precision = precision_at_five(scores, dev_targets)
        print(f"epoch {epoch + 1} train {loss.item():.2f} dev {dev_loss:.2f} precision@5 {precision:.3f}", flush=True)
        if dev_loss < best:
            best = dev_loss
            torch.save(resampler.state_dict(), output)


def main() -> None:
    """Command line: features in, a resampler state dict out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=DEFAULT)
    parser.add_argument("--vision-encoder", type=Path, required=True, help="the EfficientNet-Lite2 state dict (.pth)")
    parser.add_argument("--cache", type=Path, required=True, help="folder of vision features")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    train_tagger(
        Recipe.load(arguments.recipe), arguments.vision_encoder, arguments.cache, arguments.output, arguments.device
    )


if __name__ == "__main__":
    main()
