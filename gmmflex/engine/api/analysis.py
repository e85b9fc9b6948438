"""A finished analysis as arrays: latents, and what they decode to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmmflex.engine.api.mixture import Mixture, Mixtures
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.io.particles import Particles
from gmmflex.engine.latents.along_component import latents_along_component
from gmmflex.engine.latents.reliability import motion_metric, reliability_of
from gmmflex.engine.model.mixture.density import splat
from gmmflex.engine.motion.carried_model import morph_of
from gmmflex.engine.runs.results import RunResults
from gmmflex.engine.runs.run import Run

# Latents decoded at a time, for what a decoder keeps for each.
_AT_ONCE = 256


@dataclass(frozen=True)
class Scores:
    """Mean score of the held-out particles, each half of an image scored on what the other half
    decodes to. neutral: of the mixture at rest; encoded: after training; fitted: in the end, with
    fitted latents and the decoder refitted. Higher is better."""

    neutral: float
    encoded: float
    fitted: float


@dataclass(frozen=True, eq=False, repr=False)
class Analysis:
    """What `train` returns and `read_run` reads.

    In the examples it is the `analysis` of `train`'s own. results: networks, mixture and latents;
    by_fold: (n, 2, d) what each half of an image asks for, and covariances: (n, d, d) of the errors
    of the latents, None of runs that did not keep them; read_particles: gives a particle for each
    latent, with its image.
    """

    results: RunResults
    by_fold: NDArray[np.float32] | None
    covariances: NDArray[np.float32] | None
    scores: Scores
    read_particles: Callable[[], Particles]

    @property
    def latents(self) -> NDArray[np.float32]:
        """(n, d) of all particles in their order; with symmetry copies of one stand side by side.

        >>> analysis.latents.shape, analysis.latents.dtype.name
        ((40, 2), 'float32')
        """
        return self.results.latents

    @cached_property
    def particles(self) -> Particles:
        """One for each latent, in its pose; UserError if their files have gone.

        >>> len(analysis.particles)
        40
        """
        return self.read_particles()

    @cached_property
    def neutral(self) -> Mixture:
        """The mixture that decoded ones are changes of.

        >>> analysis.neutral
        Mixture of 140 Gaussians
        """
        mixture, centre_A = self.results.model.neutral, self.results.centre_A
        return Mixture(
            mixture.positions_A.numpy() + centre_A,
            mixture.amplitudes.numpy(),
            mixture.sigmas_A.numpy(),
            centre_A,
        )

    @cached_property
    def reliability(self) -> NDArray[np.float32] | None:
        """(n,) 0 to 1, how much of its motion each image tells; None if the run did not keep the
        errors of its latents.

        >>> bool(((analysis.reliability >= 0) & (analysis.reliability <= 1)).all())
        True
        """
        if self.covariances is None:
            return None
        metric = motion_metric(self.results.model, self.latents)
        return reliability_of(self.latents, self.covariances, metric).of_particles

    def table(self) -> Any:
        """A row for each latent: particle (its image name), latent_1 … latent_d, reliability.

        A pandas DataFrame where pandas is installed, else a dict of arrays (n,).

        >>> table = analysis.table()
        >>> list(table)
        ['particle', 'latent_1', 'latent_2', 'reliability']
        >>> table["particle"][0]
        '000001@particles.mrcs'
        """
        columns: dict[str, NDArray[Any]] = {"particle": self.particles.image_names}
        columns |= {f"latent_{i + 1}": values for i, values in enumerate(self.latents.T)}
        if self.reliability is not None:
            columns["reliability"] = self.reliability
        try:
            import pandas
        except ImportError:
            return columns
        return pandas.DataFrame(columns)

    def decode(self, latents: ArrayLike) -> Mixtures:
        """The mixtures of latents (B, d), or of one (d,).

        Raises UserError for another shape or values that are not finite.

        >>> analysis.decode(analysis.latents[:3]).positions_A.shape
        (3, 140, 3)
        """
        wanted, n = self._checked(latents), self.results.model.neutral.n_gaussians
        found = []
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            mixtures = self.results.mixtures(part)
            # What is held is not repeated for each.
            found.append(
                (
                    mixtures.positions_A.expand(len(part), n, 3).numpy(),
                    mixtures.amplitudes.expand(len(part), n).numpy(),
                    mixtures.sigmas_A.expand(len(part), n).numpy(),
                )
            )
        positions_A, amplitudes, sigmas_A = (
            np.concatenate(kind).astype(np.float64) for kind in zip(*found, strict=True)
        )
        centre_A = self.results.centre_A
        return Mixtures(positions_A + centre_A, amplitudes, sigmas_A, centre_A)

    def density(self, latent: ArrayLike) -> Map:
        """The density of one latent (d,) on the grid of the particles, in the frame of the files.

        Raises UserError for another shape, or if the particle file has gone.

        >>> density = analysis.density(analysis.latents[0])
        >>> density.data.shape, density.pixel_size_A, density.origin_A.tolist()
        ((24, 24, 24), 5.0, [0.0, 0.0, 0.0])
        """
        (wanted,) = self._checked(np.asarray(latent)[None])
        box_px, pixel_size_A = self.particles.box_px, self.particles.pixel_size_A
        values = splat(self.results.mixture(wanted), box_px, pixel_size_A)
        origin_A = self.results.centre_A - (box_px // 2) * pixel_size_A
        return Map(values.numpy().astype(np.float32), pixel_size_A, np.round(origin_A, 4))

    def morph(self, model: AtomicModel, latents: ArrayLike) -> list[AtomicModel]:
        """A fitted model moved to each of the latents (B, d), all its atoms.

        Raises UserError if no positions were varied or the model lies elsewhere.

        >>> [len(moved) for moved in analysis.morph(made.model, analysis.component(1, frames=3))]
        [140, 140, 140]
        """
        batches = morph_of(self.results, model).batches(self._checked(latents))
        return [model.with_coordinates(places_A) for batch in batches for places_A in batch]

    def component(self, number: int, frames: int = 10) -> NDArray[np.float32]:
        """(frames, d) latents along a principal component (from 1), where particles are, from its
        5th to its 95th percentile.

        Raises UserError if there is no such component.

        >>> analysis.component(1, frames=5).shape
        (5, 2)
        """
        dimensions = self.latents.shape[1]
        if not (1 <= number <= dimensions and frames >= 1):
            raise UserError(
                f"component({number}, frames={frames}): give a component from 1 to {dimensions}, "
                "and at least one frame"
            )
        return latents_along_component(self.latents, number, frames)[0]

    def score(self) -> Scores:
        """How well held-out particles agree with the mixture before and after training.

        >>> analysis.score().fitted > analysis.score().neutral - 0.1
        True
        """
        return self.scores

    def _checked(self, latents: ArrayLike) -> NDArray[np.float32]:
        wanted = np.asarray(latents, dtype=np.float32)
        rows = wanted[None] if wanted.ndim == 1 else wanted
        d = self.latents.shape[1]
        if rows.ndim != 2 or len(rows) == 0 or rows.shape[1] != d or not np.isfinite(rows).all():
            raise UserError(
                f"latents of shape {wanted.shape} cannot be decoded: give finite numbers of shape "
                f"(number of states, {d})"
            )
        return rows

    def __repr__(self) -> str:
        n, d = self.latents.shape
        return (
            f"Analysis: {n} latents of {d} dimensions, {self.results.model.neutral.n_gaussians} "
            f"Gaussians, held-out score {self.scores.neutral:.4f} -> {self.scores.fitted:.4f}"
        )


def read_run(folder: str | Path) -> Analysis:
    """A finished run of `gmmflex heterogeneity`, or what `TrainedAnalysis.save` wrote.

    Raises UserError if the folder holds none. Particles are looked for when they are asked for.

    >>> _ = analysis.save(made.folder.with_name("run"))
    >>> again = gmmflex.read_run(made.folder.with_name("run"))
    >>> bool((again.latents == analysis.latents).all())
    True
    """
    run = Run(Path(folder))
    neutral, after = run.result("test_score_neutral"), run.result("test_score")
    # Runs of early versions did not fit latents, or did not say what was gained by it.
    encoded = run.result("test_score_encoded") if "test_score_encoded" in run.summary else after
    return Analysis(
        run.results,
        run.by_fold,
        run.covariances,
        Scores(neutral, encoded, after),
        lambda: run.particles.expanded(),
    )
