"""`gmmflex morph`: a fitted model in the states that a run found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel, read_states
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.latents.along_component import latents_along_component, latents_of_file
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.motion.carried_model import Morph, morph_of
from gmmflex.engine.motion.reference_state import neutral_reference
from gmmflex.engine.runs.results import RunResults, read_run
from gmmflex.engine.runs.stage_run import StageRun, stage
from gmmflex.engine.settings.morph import FRAMES, MorphSettings
from gmmflex.engine.settings.options.shared import COMPONENT
from gmmflex.engine.stages.morph.bond_changes import BondChanges
from gmmflex.engine.stages.morph.displacements import Displacements
from gmmflex.engine.stages.morph.output import write_displacements, write_morph
from gmmflex.engine.stages.morph.picture import draw_displacements

# About 2 GB of text.
_MOST_ATOMS = 20_000_000
# Below this correlation of densities the model hardly shows what the mixture shows.
_POOR_CORRELATION = 0.6


@dataclass(frozen=True)
class States:
    """latents: (B, d) to morph to; places: (B,) on the component, if they lie on one."""

    latents: NDArray[np.float32]
    component: int | None
    places: NDArray[np.float64] | None

    @property
    def what(self) -> str:
        return (
            "of the latents given"
            if self.component is None
            else f"along principal component {self.component}"
        )


@stage("morph")
def run_morph(run: StageRun[MorphSettings]) -> None:
    """Morph the model and write the run folder; raises UserError and then writes nothing."""
    settings, log = run.settings, run.log
    if settings.latents is not None and (settings.component or settings.frames):
        raise UserError("--latents says where to go already: leave out --component and --frames")
    model = _model(settings, log)
    results = read_run(settings.run)
    states = _states(settings, results)
    _check_size(model, states)
    reference = neutral_reference(results, model) if settings.reference == "neutral" else None
    morph = morph_of(results, model, reference)
    _say(settings, morph, states, log)

    inputs = [settings.model, settings.run / "weights.safetensors", settings.run / SUMMARY_FILE]
    run.begin([*inputs, settings.latents])
    moved, bonds = write_morph(settings.output / "morph.cif", morph, states.latents)
    write_displacements(settings.output, moved)
    with replacing(settings.output / "latents.npy") as temporary:
        np.save(temporary, states.latents)
    draw_displacements(settings.output / "displacements.png", moved, states.what)
    summary = _summary(settings, morph, states, moved, bonds)
    run.finish(summary)
    log(
        f"finished: {len(states.latents)} states, residues move by "
        f"{summary['displacement']['rms_A']:.2f} A RMS and at most "
        f"{summary['displacement']['maximum_A']:.2f} A, written to {settings.output}"
    )


def _model(settings: MorphSettings, log: Log) -> AtomicModel:
    models = read_states(settings.model)
    if len(models) > 1:
        log(f"{settings.model} holds {len(models)} models: the first is morphed")
    return models[0]


def _states(settings: MorphSettings, results: RunResults) -> States:
    if settings.latents is not None:
        return States(latents_of_file(settings.latents, results.latents.shape[1]), None, None)
    component = settings.component or COMPONENT
    latents, places = latents_along_component(results.latents, component, settings.frames or FRAMES)
    return States(latents, component, places)


def _check_size(model: AtomicModel, states: States) -> None:
    n = len(states.latents)
    if n * len(model) > _MOST_ATOMS:
        raise UserError(
            f"{n} states of {len(model)} atoms would make a file of {n * len(model):,} atoms: "
            f"give at most {max(1, _MOST_ATOMS // len(model))} states, or a model of the Cα alone"
        )


def _say(settings: MorphSettings, morph: Morph, states: States, log: Log) -> None:
    reference = morph.reference
    log(
        f"{len(morph.model)} atoms in {len(morph.units)} residues, "
        f"{morph.results.model.neutral.n_gaussians} Gaussians, {len(states.latents)} states "
        f"{states.what}"
    )
    shown = ", ".join(f"{value:.3f}" for value in reference.latents)
    where = f"found at latents {shown}" if reference.state == "model" else "the mixture at rest"
    log(f"state of the model: {where}, correlation {reference.correlation:.3f}")
    if reference.correlation < _POOR_CORRELATION:
        log(
            f"warning: the density of {settings.model} hardly agrees with the mixture; is it "
            "fitted into the map of this run?"
        )
    outside = _outside(states.latents, morph.results.latents)
    if outside:
        log(
            f"warning: {outside} of the latents lie farther out than any particle's; what is "
            "decoded there was never compared with images"
        )


def _outside(latents: NDArray[np.float32], of_particles: NDArray[np.float32]) -> int:
    """How many latents lie outside the box of the particles' by more than a tenth of it."""
    low, high = of_particles.min(axis=0), of_particles.max(axis=0)
    margin = 0.1 * (high - low)
    return int(((latents < low - margin) | (latents > high + margin)).any(axis=1).sum())


def _summary(
    settings: MorphSettings,
    morph: Morph,
    states: States,
    moved: Displacements,
    bonds: BondChanges,
) -> dict[str, Any]:
    residues, chains = moved.by_residue(), moved.by_chain()
    weights = residues.atoms / residues.atoms.sum()
    return {
        "models": len(states.latents),
        "atoms": len(morph.model),
        "residues": len(morph.units),
        "gaussians": morph.results.model.neutral.n_gaussians,
        "component": states.component,
        "positions_on_component": None if states.places is None else states.places.tolist(),
        "reference": {
            "state": morph.reference.state,
            "latents": morph.reference.latents.tolist(),
            "correlation": morph.reference.correlation,
        },
        "displacement": {
            "rms_A": float(np.sqrt((weights * residues.rms_A**2).sum())),
            "median_residue_A": float(np.median(residues.rms_A)),
            "maximum_A": float(residues.maximum_A.max()),
            "spread_A": float(np.sqrt((weights * residues.spread_A**2).sum())),
        },
        "chains": [
            {
                "chain": str(morph.model.chains[first]),
                "rms_A": float(chains.rms_A[row]),
                "maximum_A": float(chains.maximum_A[row]),
                "spread_A": float(chains.spread_A[row]),
            }
            for row, first in enumerate(chains.first_atoms)
        ],
        "rmsd_to_model_A": moved.rmsd_A,
        "rmsd_to_model_alpha_carbons_A": moved.rmsd_alpha_carbons_A,
        "bonds": bonds.summary(),
    }
