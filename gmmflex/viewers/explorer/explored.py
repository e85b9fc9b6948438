"""What the window that explores a latent space shows: particles, colours, landscapes."""

from dataclasses import dataclass

import numpy as np

from gmmflex.convert.database_columns import ParticleColumns
from gmmflex.convert.database_latents import read_ids_and_latents, typical_latent
from gmmflex.convert.landscape_columns import LandscapeColumns
from gmmflex.protocols.steps.chosen_states import trajectories_of
from gmmflex.protocols.steps.fitted_model import model_of_analysis
from gmmflex.results.finished_analysis import finished_run_folder
from gmmflex.results.nearest_points import AxesFrame
from gmmflex.viewers.views.plots import Axis, latent_axes

LANDSCAPE_CLASS = "ProtGmmflexLandscape"
# Tables of landscapes are read for a click only if that takes no time to speak of.
_FEW = 100_000


@dataclass(frozen=True)
class Explored:
    """Particles to look at.

    particles: their set, an output of the project; latents: (n, d) in the order of the ids; axes:
    all coordinates that they can be drawn along; frame: that gives those of other latents;
    landscapes: what they say of the particles; trajectories: file of each, by name; run_folder: of
    their analysis, None if it is gone; model: the fitted model that the analysis or its mixture
    knows, if any.
    """

    project: object
    particles: object
    latents: np.ndarray
    columns: ParticleColumns
    axes: list[Axis]
    frame: AxesFrame
    landscapes: list[LandscapeColumns]
    trajectories: dict[str, str]
    run_folder: str | None
    model: str | None

    def colour_names(self) -> list[str]:
        """Everything that particles can be coloured by; seconds for a million at first."""
        return [*(name for each in self.landscapes for name in each.names), *self.columns.names]

    def values(self, name: str) -> np.ndarray:
        """(n,) numbers to colour by."""
        for landscape in self.landscapes:
            if name in landscape.names:
                return landscape.values(name)
        return self.columns.values(name)

    def typical(self) -> np.ndarray:
        """(d,) the latent of the most typical particle."""
        return typical_latent(self.latents)

    def details(self, row: int) -> list[tuple[str, str]]:
        """What is known of one particle, for people; row: from 0, in the order of the ids."""
        number = int(self.columns.ids[row])
        lines = [("Particle (id)", f"{number}")]
        lines += [
            (f"Latent {place}", f"{value:.4f}")
            for place, value in enumerate(self.latents[row], start=1)
        ]
        if len(self.latents) <= _FEW:
            lines += [
                (name, _short(landscape.values(name)[row]))
                for landscape in self.landscapes
                for name in landscape.names
            ]
        known = self.columns.of_particle(number)
        return lines + [(name, _short(value)) for name, value in known.items()]


def explored(project, particles) -> Explored:
    """Read what is needed at first; colours are read when they are asked for."""
    path = particles.getFileName()
    ids, latents = read_ids_and_latents(path)
    axes = latent_axes(latents, principal=True) + latent_axes(latents, principal=False)
    folder = finished_run_folder(particles)
    landscapes, trajectories = [], {}
    found = [] if folder is None else _landscapes(project, folder)
    for protocol in found:
        which = "" if len(found) == 1 else f", landscape {protocol.getObjId()}"
        landscapes.append(LandscapeColumns(protocol.getRunFolder(), ids, which))
        for trajectory, file in trajectories_of(protocol).items():
            trajectories[f"{trajectory}{which}"] = file
    return Explored(
        project,
        particles,
        latents,
        ParticleColumns(path, ids),
        axes,
        AxesFrame.of(latents),
        landscapes,
        trajectories,
        folder,
        None if folder is None else model_of_analysis(folder),
    )


def _landscapes(project, folder: str) -> list:
    """Finished landscapes of the analysis in `folder`."""
    return [
        protocol
        for protocol in project.getRuns()
        if protocol.getClassName() == LANDSCAPE_CLASS
        and protocol.isFinished()
        and protocol.inputAnalysis.get() is not None
        and finished_run_folder(protocol.inputAnalysis.get()) == folder
    ]


def _short(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.5g}"
