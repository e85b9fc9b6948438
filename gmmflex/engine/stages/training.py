"""The training loop."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from gmmflex.engine.io.run_folder import replacing
from gmmflex.engine.model.mixture import GaussianMixture
from gmmflex.engine.model.offsets import apply_offsets
from gmmflex.engine.stages.particle_data import ParticleData
from gmmflex.engine.stages.progress import Log, Stopwatch
from gmmflex.engine.stages.scores import compare

# Latents further out than this are pulled back, so that the latent space keeps a scale.
_LATENT_RADIUS = 3.0
_LATENT_PENALTY = 1e-3
_ENCODER_SHARE = 0.3
_ENCODER_FROM_EPOCH = 3


@dataclass(frozen=True)
class TrainingSettings:
    """Numbers of the loop; docs/decisions tells where they come from.

    epochs: at most so many; learning_rate falls by `rate_drop` whenever the held-out score has
    not improved, and training ends when it has fallen `n_drops` times.
    """

    epochs: int
    batch_size: int
    learning_rate: float = 1e-3
    latent_noise: float = 0.1
    rate_drop: float = 0.3
    n_drops: int = 2
    warm_up_steps: int = 50


@dataclass(frozen=True)
class Model:
    """Encoder, decoder, and the neutral mixture whose offsets the decoder gives."""

    encoder: nn.Module
    decoder: nn.Module
    neutral: GaussianMixture

    def optimiser(self, learning_rate: float, first_round: bool) -> torch.optim.Adam:
        """Adam; in a first round the decoder learns alone for two epochs.

        Then the encoder follows at a third of its rate: faster, it runs away from the layout it
        started on and tears motions apart.
        """
        encoder_from = _ENCODER_FROM_EPOCH if first_round else 1
        return torch.optim.Adam(
            [
                {
                    "params": list(self.encoder.parameters()),
                    "share": _ENCODER_SHARE,
                    "from_epoch": encoder_from,
                },
                {"params": list(self.decoder.parameters()), "share": 1.0, "from_epoch": 1},
            ],
            lr=learning_rate,
        )

    def state(self) -> dict[str, Tensor]:
        """Copies of all weights, by name."""
        both = {"encoder": self.encoder, "decoder": self.decoder}
        return {
            f"{part}.{name}": value.detach().cpu().clone()
            for part, net in both.items()
            for name, value in net.state_dict().items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        for part, net in (("encoder", self.encoder), ("decoder", self.decoder)):
            prefix = f"{part}."
            net.load_state_dict(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )


@dataclass(frozen=True)
class Epoch:
    """One line of metrics.csv. Losses are minus the weighted FRC on the fold not encoded."""

    epoch: int
    train_loss: float
    test_loss: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class Progress:
    """Where training stands between epochs; all that a resumed run needs beside the weights."""

    history: tuple[Epoch, ...]
    best: dict[str, Tensor]
    learning_rate: float
    drops: int

    @property
    def best_test_loss(self) -> float:
        return min(epoch.test_loss for epoch in self.history)


Save = Callable[[Progress, torch.optim.Optimizer], None]


def train(
    model: Model,
    data: ParticleData,
    inputs: Tensor,
    weights: Tensor,
    train_rows: Tensor,
    test_rows: Tensor,
    settings: TrainingSettings,
    optimiser: torch.optim.Optimizer,
    start: Progress | None,
    save: Save,
    log: Log,
) -> Progress:
    """Train encoder and decoder until held-out particles no longer gain; the best weights stay.

    inputs: (n, 2, D) encoder gradients of each fold; weights: (n_rings,). In every step each
    particle is encoded from one fold, chosen at random, and scored on the other, so that there
    is nothing to win by reproducing noise, and the held-out score says when to stop.
    """
    device = model.neutral.positions_A.device
    if start is None:
        first = held_out_loss(model, data, inputs, weights, test_rows, settings.batch_size)
        start = Progress(
            (Epoch(0, first, first, settings.learning_rate, 0.0),),
            model.state(),
            settings.learning_rate,
            0,
        )
    progress = start
    step = (len(start.history) - 1) * math.ceil(len(train_rows) / settings.batch_size)
    watch = Stopwatch(start.history[-1].seconds)

    while len(progress.history) <= settings.epochs and progress.drops <= settings.n_drops:
        epoch, total = len(progress.history), 0.0
        for rows in train_rows[torch.randperm(len(train_rows))].split(settings.batch_size):
            step += 1
            for group in optimiser.param_groups:
                group["lr"] = (
                    progress.learning_rate
                    * (group["share"] if epoch >= group["from_epoch"] else 0.0)
                    * min(1.0, step / settings.warm_up_steps)
                )
            fold = torch.randint(0, 2, (len(rows),))
            latents = model.encoder(inputs[rows, fold].to(device, torch.float32))
            # Drawn on the CPU, whose generator the checkpoint holds.
            noise = torch.randn(latents.shape).to(device)
            noisy = latents + settings.latent_noise * noise
            mixtures = apply_offsets(model.neutral, model.decoder(noisy))
            scores = compare(mixtures, data.batch(rows), data).by_fold() @ weights
            other = scores[torch.arange(len(rows), device=device), 1 - fold.to(device)]
            loss = -other.mean() + _latent_penalty(latents)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total -= float(other.detach().sum())

        test_loss = held_out_loss(model, data, inputs, weights, test_rows, settings.batch_size)
        line = Epoch(
            epoch, total / len(train_rows), test_loss, progress.learning_rate, watch.elapsed_s
        )
        progress = _judge(progress, line, model, settings)
        save(progress, optimiser)
        log(
            f"epoch {epoch}/{settings.epochs}  train {-line.train_loss:.4f}  test {-test_loss:.4f}"
            f"  rate {line.learning_rate:.1e}  {watch.line(epoch, settings.epochs)}"
        )
    model.load(progress.best)
    return progress


def _judge(progress: Progress, line: Epoch, model: Model, settings: TrainingSettings) -> Progress:
    """Keep the best weights; without a gain go back to them and lower the learning rate."""
    history = (*progress.history, line)
    # The gain over the neutral mixture so far sets what counts as an improvement: 0.5 % of it.
    gained = progress.history[0].test_loss - progress.best_test_loss
    if line.test_loss < progress.best_test_loss - 0.005 * gained:
        return replace(progress, history=history, best=model.state())
    if line.test_loss < progress.best_test_loss:
        progress = replace(progress, best=model.state())
    model.load(progress.best)
    return Progress(
        history, progress.best, progress.learning_rate * settings.rate_drop, progress.drops + 1
    )


@torch.no_grad()
def held_out_loss(
    model: Model,
    data: ParticleData,
    inputs: Tensor,
    weights: Tensor,
    rows: Tensor,
    batch_size: int,
) -> float:
    """Minus the weighted FRC on the fold that was not encoded, over both folds and all rows."""
    device = model.neutral.positions_A.device
    total = 0.0
    for part in rows.split(batch_size):
        batch = data.batch(part)
        for fold in (0, 1):
            latents = model.encoder(inputs[part, fold].to(device, torch.float32))
            mixtures = apply_offsets(model.neutral, model.decoder(latents))
            scores = compare(mixtures, batch, data).by_fold()[:, 1 - fold] @ weights
            total -= 0.5 * float(scores.sum())
    return total / len(rows)


@torch.no_grad()
def neutral_loss(
    neutral: GaussianMixture, data: ParticleData, weights: Tensor, rows: Tensor, batch_size: int
) -> float:
    """`held_out_loss` of the neutral mixture itself: what a model has to beat."""
    total = 0.0
    for part in rows.split(batch_size):
        scores = compare(neutral, data.batch(part), data).by_fold() @ weights
        total -= float(scores.mean(1).sum())
    return total / len(rows)


@torch.no_grad()
def encode(model: Model, inputs: Tensor, batch_size: int = 4096) -> Tensor:
    """(n, d) latents: the mean over the two folds, each encoded as in training."""
    device = model.neutral.positions_A.device
    parts = [
        torch.stack(
            [model.encoder(part[:, fold].to(device, torch.float32)) for fold in (0, 1)]
        ).mean(0)
        for part in inputs.split(batch_size)
    ]
    return torch.cat(parts).cpu()


def write_metrics(path: Path, history: tuple[Epoch, ...]) -> None:
    """metrics.csv, one line per epoch; epoch 0 is the neutral mixture."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(asdict(history[0])))
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in history)


def _latent_penalty(latents: Tensor) -> Tensor:
    outside = (latents.norm(dim=-1) - _LATENT_RADIUS).clamp_min(0.0)
    penalty: Tensor = _LATENT_PENALTY * outside.square().mean()
    return penalty
