"""A finished heterogeneity run as one object, read as it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.data.objective import Objective
from gmmflex.engine.data.objectives import named_objective
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE, read_json
from gmmflex.engine.model.images.scoring import N_FOLDS, Coefficients
from gmmflex.engine.model.inference.pose_change import N_POSE
from gmmflex.engine.model.inference.pose_errors import RIGHT, PoseErrors
from gmmflex.engine.runs.arrays import POSE_CHANGES, array_beside_latents, read_by_fold
from gmmflex.engine.runs.particles import RunParticles, read_run_particles
from gmmflex.engine.runs.results import RunResults, read_run
from gmmflex.engine.runs.rings import coefficients_of_run, mean_frc_of_run
from gmmflex.engine.runs.settings import settings_of_run
from gmmflex.engine.runs.source import config_of_run, number_of, run_source
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings


@dataclass(frozen=True)
class Run:
    """folder: of the run; particle_file, image_root: in place of the run's, where these have moved
    since.

    Every property reads its file once, and raises UserError if that is damaged, gone, or another
    version wrote it.
    """

    folder: Path
    particle_file: Path | None = None
    image_root: Path | None = None

    @cached_property
    def results(self) -> RunResults:
        """Trained networks, mixture and latents."""
        return read_run(self.folder)

    @property
    def latents(self) -> NDArray[np.float32]:
        """(n, d) in the order of the particles, copies of one side by side."""
        return self.results.latents

    @cached_property
    def by_fold(self) -> NDArray[np.float32] | None:
        """(n, 2, d) what each half of an image asks for; None of runs that did not write it."""
        return read_by_fold(self.folder, self.latents)

    @cached_property
    def covariances(self) -> NDArray[np.float32] | None:
        """(n, d, d) of the errors of latents; None of runs that did not write them."""
        n, d = self.latents.shape
        return array_beside_latents(self.folder, "latent_covariances", (n, d, d))

    @cached_property
    def pose_changes(self) -> Tensor | None:
        """(n, 3, 5) of the particles' given poses, see `Batch`; None of runs that did not write
        them."""
        shape = (len(self.particles.particles), N_FOLDS + 1, N_POSE)
        found = array_beside_latents(self.folder, POSE_CHANGES, shape)
        return None if found is None else torch.from_numpy(found)

    @property
    def pose_errors(self) -> PoseErrors:
        """How far the given poses are off, as the run has learnt; none of runs that did not."""
        found = self.summary.get("poses_off")
        if not isinstance(found, dict):
            return RIGHT
        angle_deg, shift_A = (
            number_of(found, name, self.folder) for name in ("angle_deg", "shift_A")
        )
        return PoseErrors(angle_deg, shift_A)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json."""
        return read_json(self.folder / SUMMARY_FILE)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The settings as run.json keeps them, also those of files that are gone."""
        return config_of_run(self.folder)

    @cached_property
    def settings(self) -> HeterogeneitySettings:
        """The settings, whose files have to be where the run found them."""
        return settings_of_run(self.folder)

    @cached_property
    def particles(self) -> RunParticles:
        """The particles that it worked on."""
        # First of all: what is no finished run is best refused as such.
        count = len(self.latents)
        source = run_source(self.folder, self.particle_file, self.image_root)
        return read_run_particles(source, self.summary, count)

    @property
    def files(self) -> list[Path]:
        """Those that a stage which works on the run depends on."""
        own = [self.folder / name for name in ("weights.safetensors", SUMMARY_FILE)]
        return [self.particles.particles.source, *own]

    def coefficients(self, device: torch.device | str) -> Coefficients:
        """The Fourier coefficients that it compared, in the same two folds."""
        return coefficients_of_run(self.summary, self.particles.particles, device)

    def objective(self, device: torch.device | str) -> Objective:
        """The score that its training raised."""
        name = str(self.config.get("objective", "frc"))
        try:
            factory = named_objective(name)
        except UserError as fault:
            raise UserError(f"{self.folder} was made with another objective; {fault}") from fault
        frc = torch.tensor(mean_frc_of_run(self.folder, self.summary), device=device)
        return factory(frc, self.coefficients(device))

    def setting(self, name: str) -> float:
        """A number among its settings."""
        return number_of(self.config, name, self.folder)

    def result(self, name: str) -> float:
        """A number in its summary."""
        return number_of(self.summary, name, self.folder)
