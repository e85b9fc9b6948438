"""What a neutral mixture is built from, read and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, read_map
from gmmflex.engine.io.models import AtomicModel, read_model
from gmmflex.engine.model.geometry.backbone import backbone_of
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.build import MODEL_RESOLUTION_A, FittedModel
from gmmflex.engine.stages.neutral.target import Target, target_of_density, target_of_model

# Fewer make no mixture whose spread could be measured.
_LEAST_ATOMS = 4


@dataclass(frozen=True)
class Sources:
    """What files, or a notebook, give: a map, a model as it is in its file, or both."""

    density: Map | None
    model: AtomicModel | None


def read_sources(settings: NeutralSettings) -> Sources:
    """Read the files that the settings name.

    Raises UserError if there are none, or one cannot be read.
    """
    return Sources(
        None if settings.map is None else read_map(settings.map),
        None if settings.model is None else read_model(settings.model),
    )


def checked_sources(
    settings: NeutralSettings, sources: Sources
) -> tuple[Target, FittedModel | None]:
    """What the mixture has to look like, and the atoms that it starts from, if there are any.

    In messages a map and a model are called what the settings call them. Raises UserError for
    whatever the user can put right.
    """
    model = None
    if sources.model is not None:
        atoms = _chosen_atoms(sources.model, settings, settings.atoms)
        model = FittedModel(sources.model, atoms)
    if settings.hold_model and (model is None or settings.bonds):
        raise UserError(
            "--hold-model keeps a fitted model as it is: give it with --model, and without --bonds"
        )
    if settings.bonds:
        _check_bonds(model, settings)
    return _target(settings, sources, model), model


def _chosen_atoms(model: AtomicModel, settings: NeutralSettings, atoms: str) -> AtomicModel:
    if atoms == "all":
        chosen = np.flatnonzero([str(e).upper() not in ("H", "D") for e in model.elements])
        kind, remedy = "atoms", "give a model of a macromolecule"
    else:
        chosen = model.alpha_carbons()
        kind, remedy = "alpha carbons or nucleic-acid phosphorus atoms", "use --from all"
    if len(chosen) < _LEAST_ATOMS:
        raise UserError(f"{settings.model} holds only {len(chosen)} {kind}: {remedy}")
    return model.subset(chosen)


def _check_bonds(model: FittedModel | None, settings: NeutralSettings) -> None:
    if model is None:
        raise UserError("--bonds keeps the bonds of a fitted model: give it with --model")
    if not len(backbone_of(model.atoms).pairs):
        raise UserError(
            f"{settings.model} has no two residues that follow each other, so there are no bonds: "
            "leave out --bonds"
        )


def _target(settings: NeutralSettings, sources: Sources, model: FittedModel | None) -> Target:
    if sources.density is not None:
        assert settings.map is not None
        target = target_of_density(
            sources.density, settings.map, settings.mask, settings.resolution_A
        )
        if model is not None:
            _check_model_in_map(model.atoms, target, settings)
        return target
    assert model is not None
    resolution_A = settings.resolution_A or MODEL_RESOLUTION_A
    if settings.gaussians is not None and settings.gaussians > len(model.atoms):
        raise UserError(
            f"--gaussians {settings.gaussians} is more than the {len(model.atoms)} atoms of "
            f"{settings.model}: use --from all, fewer Gaussians, or add --map for the rest"
        )
    if (settings.box_px is None) != (settings.pixel_size_A is None):
        raise UserError("--box and --pixel-size describe one box: give both of them or neither")
    everything = _chosen_atoms(model.whole, settings, "all")
    return target_of_model(everything, resolution_A, settings.box_px, settings.pixel_size_A)


def _check_model_in_map(model: AtomicModel, target: Target, settings: NeutralSettings) -> None:
    """A model that was never fitted into the map must not be used in silence."""
    index = (model.coordinates_A - target.density.origin_A) / target.density.pixel_size_A
    index = np.round(index).astype(int)
    inside = ((index >= 0) & (index < target.density.box_px)).all(axis=1)
    covered = np.zeros(len(index), dtype=bool)
    covered[inside] = target.mask[index[inside, 2], index[inside, 1], index[inside, 0]] > 0.1
    if covered.mean() < 0.5:
        raise UserError(
            f"only {100 * covered.mean():.0f} % of the atoms of {settings.model} lie in the "
            f"density of {settings.map}: fit the model into the map first (for example in ChimeraX)"
        )
