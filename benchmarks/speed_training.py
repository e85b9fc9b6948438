"""The whole training step, and how much of it is projection and score."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.evaluate import silent
from benchmarks.speed_cases import Case, particle_data, random_mixture
from benchmarks.timing import Clock, Contestant, Times, fair_clock, in_turns
from gmmflex.engine.data import objective as objective_module
from gmmflex.engine.data.objective import Objective
from gmmflex.engine.data.objectives import named_objective
from gmmflex.engine.data.particles import Batch
from gmmflex.engine.data.scores import compare
from gmmflex.engine.machine.computation import computation_alone
from gmmflex.engine.machine.row_store import Storage
from gmmflex.engine.model.images.scoring import Coefficients, RingSums
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import apply_offsets
from gmmflex.engine.parts.neutral import Neutral
from gmmflex.engine.parts.regions import Region
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.limits import Parameter
from gmmflex.engine.training import step
from gmmflex.engine.training.preparation import Parts, Prepared, prepare
from gmmflex.engine.training.task import TrainingTask

DEFAULT: tuple[Parameter, ...] = ("positions",)
LATENT_NOISE = float(HeterogeneitySettings.model_fields["latent_noise"].default)
USUAL_BATCH = int(HeterogeneitySettings.model_fields["batch_size"].default)
ALL_FIVE: tuple[Parameter, ...] = ("positions", "amplitudes", "widths")


@dataclass(frozen=True)
class StepTimes:
    """Seconds per particle. step: all of it; operation: projection, score and their gradient,
    timed alone on the same mixtures; share_by_clocks: what the step spends outside of them, by
    clocks set around them in the step (on the CPU only)."""

    case: Case
    parameters: tuple[Parameter, ...]
    step: Times
    operation: Times
    share_by_clocks: float | None

    @property
    def share_outside(self) -> float:
        return 1.0 - self.operation.median / self.step.median


def step_times(
    case: Case,
    parameters: tuple[Parameter, ...],
    particles: int,
    rounds: int,
    device: torch.device,
) -> StepTimes:
    """Batches of case.batch particles, each from loading to the optimiser's step."""
    task = preparation_of(case, parameters, particles, device)().task
    optimiser = task.model.optimiser(1e-4, first_round=False)
    pairs = list(_mixtures_of(task, case.batch))

    def operation() -> None:
        for mixtures, batch in pairs:
            _gradient(mixtures, batch, task.objective)

    n = len(task.particles.train_rows)
    times = in_turns(
        {
            "step": Contestant(lambda: one_epoch(task, case.batch, optimiser), n),
            "operation": Contestant(operation, n),
        },
        rounds,
        budget_s=120.0,
        device=device,
        clock=fair_clock(device),
    )
    share = None
    if device.type == "cpu":
        clock = fair_clock(device)
        shares = [_share_by_clocks(task, case.batch, optimiser, clock) for _ in range(rounds)]
        share = statistics.median(shares)
    return StepTimes(case, parameters, times["step"], times["operation"], share)


def preparation_of(
    case: Case, parameters: tuple[Parameter, ...], particles: int, device: torch.device
) -> Callable[[], Prepared]:
    """What `gmmflex heterogeneity` prepares with its default settings, from synthetic particles.

    Of its train_rows as many remain as fill whole batches.
    """
    generator = torch.Generator().manual_seed(1)
    mixture = random_mixture(case, generator)
    data = particle_data(mixture, particles, case.coefficients(), generator)
    data = replace(data, coefficients=case.coefficients(device))
    nowhere = Path("synthetic")
    settings = HeterogeneitySettings(
        particles=nowhere,
        neutral=nowhere,
        output=nowhere,
        vary=parameters,
        batch_size=case.batch,
        invert_contrast="no",
    )

    def work() -> Prepared:
        torch.manual_seed(1)
        prepared = prepare(
            settings,
            data,
            Parts(
                Neutral(nowhere, mixture, np.zeros(3), None),
                {"free": Region(torch.ones(case.n_gaussians))},
                None,
                named_objective(settings.objective),
            ),
            np.random.default_rng(1),
            replace(
                computation_alone(case.batch, silent, device),
                storage=Storage(nowhere, memory_limit_GB=64.0),
            ),
        )
        learning = prepared.task.particles
        whole = len(learning.train_rows) // case.batch * case.batch
        learning = replace(learning, train_rows=learning.train_rows[:whole])
        return replace(prepared, task=replace(prepared.task, particles=learning))

    return work


def one_epoch(task: TrainingTask, batch: int, optimiser: torch.optim.Optimizer) -> None:
    """What the training loop does in an epoch of batches of `batch`, but for the held-out score."""
    total = torch.zeros((), dtype=torch.float64, device=task.model.device)
    for training_batch in step.batches_of_epoch(task, batch):
        total += step.gradient_of_batch(task, training_batch, LATENT_NOISE, None)
        optimiser.step()
    assert bool(total.isfinite())


@torch.no_grad()
def _mixtures_of(task: TrainingTask, size: int) -> Iterator[tuple[GaussianMixture, Batch]]:
    """Each batch of an epoch with the mixtures that the decoder gives for it."""
    model, particles = task.model, task.particles
    for rows in particles.train_rows.split(size):
        inputs = particles.inputs.gather(rows)[:, 0].to(model.device, torch.float32)
        mixtures = apply_offsets(model.neutral, model.decoder(model.encoder(inputs)))
        yield mixtures, particles.data.batch(rows)


def _gradient(mixtures: GaussianMixture, batch: Batch, objective: Objective) -> None:
    own = {"positions_A": 3, "amplitudes": 2, "sigmas_A": 2}
    leaves = replace(
        mixtures,
        **{
            name: getattr(mixtures, name).detach().requires_grad_()
            for name, dimensions in own.items()
            if getattr(mixtures, name).dim() == dimensions
        },
    )
    objective.scores(leaves, batch)[:, 0].mean().backward()


class _Stopwatch:
    """Seconds spent in `compare` and in the part of the backward pass that belongs to it."""

    def __init__(self, now: Clock) -> None:
        self.seconds = 0.0
        self._now = now
        self._backward_began: float | None = None
        self._backward_ended = 0.0

    def compare(
        self, mixture: GaussianMixture, batch: Batch, coefficients: Coefficients
    ) -> RingSums:
        self.close_backward()
        for leaf in (mixture.positions_A, mixture.amplitudes, mixture.sigmas_A):
            if leaf.requires_grad:
                leaf.register_hook(self._end)
        begin = self._now()
        sums = compare(mixture, batch, coefficients)
        self.seconds += self._now() - begin
        for values in (sums.cross, sums.power_projection):
            values.register_hook(self._begin)
        return sums

    def close_backward(self) -> None:
        if self._backward_began is not None:
            self.seconds += self._backward_ended - self._backward_began
        self._backward_began = None

    def _begin(self, gradient: Tensor) -> Tensor:
        if self._backward_began is None:
            self._backward_began = self._now()
        return gradient

    def _end(self, gradient: Tensor) -> Tensor:
        self._backward_ended = self._now()
        return gradient


def _share_by_clocks(
    task: TrainingTask, batch: int, optimiser: torch.optim.Optimizer, now: Clock
) -> float:
    clock = _Stopwatch(now)
    begin = now()
    with patch.object(objective_module, "compare", clock.compare):
        one_epoch(task, batch, optimiser)
    clock.close_backward()
    return 1.0 - clock.seconds / (now() - begin)
