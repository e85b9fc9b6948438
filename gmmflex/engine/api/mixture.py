"""Gaussian mixtures as numpy arrays, and the neutral one built in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.machine.compute import choose_device, set_seed, set_threads
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.machine.progress_bars import bars_or
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.parts.neutral import Neutral, read_neutral, refuse_outside_box
from gmmflex.engine.runs.settings import settings_from
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.build import build
from gmmflex.engine.stages.neutral.inputs import Sources, checked_sources

# What messages call what came from memory.
_MAP, _MODEL, _MIXTURE = Path("the map"), Path("the model"), Path("the neutral mixture")


@dataclass(frozen=True, eq=False)
class Mixture:
    """N Gaussians: positions_A (N, 3) in the frame of the files, amplitudes (N,), which are their
    integrals, and sigmas_A (N,).

    centre_A: (3,) where the centre of the particles' box lies in that frame. resolution_A: up to
    which it was fitted, None where nobody knows.

    Raises UserError if the shapes do not belong together.

    >>> one = gmmflex.Mixture([[60.0, 60.0, 60.0]], [1.0], [5.0], centre_A=[60.0, 60.0, 60.0])
    >>> one.positions_A.shape
    (1, 3)
    """

    positions_A: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    sigmas_A: NDArray[np.float64]
    centre_A: NDArray[np.float64]
    resolution_A: float | None = None

    def __post_init__(self) -> None:
        for name in ("positions_A", "amplitudes", "sigmas_A", "centre_A"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        n = len(self.positions_A)
        expected = {"positions_A": (n, 3), "amplitudes": (n,), "sigmas_A": (n,), "centre_A": (3,)}
        for name, shape in expected.items():
            found = getattr(self, name)
            if n == 0 or found.shape != shape or not np.isfinite(found).all():
                raise UserError(
                    f"{name} of a mixture has shape {found.shape} for {n} Gaussians, or values "
                    f"that are not finite: give finite numbers of shape {shape}"
                )

    def __len__(self) -> int:
        return len(self.positions_A)

    def __repr__(self) -> str:
        return f"Mixture of {len(self)} Gaussians"


@dataclass(frozen=True, eq=False)
class Mixtures:
    """B mixtures of N Gaussians: positions_A (B, N, 3) in the frame of the files, amplitudes
    (B, N) and sigmas_A (B, N)."""

    positions_A: NDArray[np.float64]
    amplitudes: NDArray[np.float64]
    sigmas_A: NDArray[np.float64]
    centre_A: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.positions_A)

    def __getitem__(self, number: int) -> Mixture:
        return Mixture(
            self.positions_A[number], self.amplitudes[number], self.sigmas_A[number], self.centre_A
        )

    def __iter__(self) -> Iterator[Mixture]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        b, n = self.amplitudes.shape
        return f"{b} Mixtures of {n} Gaussians"


def load_mixture(path: str | Path, particles: Particles) -> Mixture:
    """The mixture of a run folder of `gmmflex neutral`, or of a mixture file (mmCIF), for
    particles of the same refinement.

    Raises UserError if it is none, or lies outside the particles' box.

    >>> from gmmflex.engine.io.models.mixture_file import write_mixture
    >>> file = made.folder.with_name("mixture.cif")
    >>> write_mixture(file, neutral.positions_A, neutral.amplitudes, neutral.sigmas_A)
    >>> gmmflex.load_mixture(file, particles)
    Mixture of 140 Gaussians
    """
    return _as_mixture(read_neutral(Path(path), particles.box_px, particles.pixel_size_A))


def build_neutral(
    map: Map | None = None,
    model: AtomicModel | None = None,
    resolution_A: float | None = None,
    *,
    log: Log | None = None,
    **settings: Any,
) -> Mixture:
    """The mixture that stands for the mean state: of a map, of a model fitted into it, or of both.

    As `gmmflex neutral`, in memory. resolution_A: the finest detail that it has to show; with a
    model that is kept as it is beside a map the resolution is found, else it is 8 Å. settings: all
    others of that command by the names that `--config` takes, such as gaussians, atoms ("ca",
    "all"), hold_model, bonds, mask, seed, device; without a map also box_px and pixel_size_A of
    the particles. log: takes each line of progress in place of bars.

    Raises UserError for what does not fit together.

    >>> neutral = gmmflex.build_neutral(
    ...     map=made.consensus, model=made.model, resolution_A=15.0, hold_model=True
    ... )
    >>> neutral.positions_A.shape, neutral.sigmas_A.shape, neutral.resolution_A
    ((140, 3), (140,), 15.0)
    """
    if map is None and model is None:
        raise UserError("build_neutral needs a map, a model or both: give at least one")
    wanted = settings_from(
        NeutralSettings,
        output=Path(),
        map=None if map is None else _MAP,
        model=None if model is None else _MODEL,
        resolution_A=resolution_A,
        **settings,
    )
    set_threads(wanted.threads)
    set_seed(wanted.seed)
    device = choose_device(wanted.device)
    with bars_or(log) as lines:
        target, fitted = checked_sources(wanted, Sources(map, model))
        built = build(wanted, target, fitted, device, lines)
    neutral = Neutral(_MIXTURE, built.ladder.mixture, target.centre_A, built.resolution_A)
    return _as_mixture(neutral)


def in_box_of(mixture: Mixture, particles: Particles) -> Neutral:
    """The mixture as an analysis takes it, centred; UserError if it lies outside the box."""
    centred = GaussianMixture.from_arrays(
        mixture.positions_A - mixture.centre_A, mixture.amplitudes, mixture.sigmas_A
    )
    neutral = Neutral(_MIXTURE, centred, mixture.centre_A, mixture.resolution_A)
    refuse_outside_box(neutral, particles.box_px, particles.pixel_size_A)
    return neutral


def _as_mixture(neutral: Neutral) -> Mixture:
    mixture = neutral.mixture.to("cpu").detach()
    return Mixture(
        mixture.positions_A.numpy().astype(np.float64) + neutral.centre_A,
        mixture.amplitudes.numpy().astype(np.float64),
        mixture.sigmas_A.numpy().astype(np.float64),
        neutral.centre_A,
        neutral.resolution_A,
    )
