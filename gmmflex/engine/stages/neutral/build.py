"""From map and model to the mixture: what is decided, where Gaussians start, how they fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gmmflex.engine.io.maps import Map
from gmmflex.engine.io.models import AtomicModel
from gmmflex.engine.machine.progress import Log
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.stages.neutral.bonds import BondTerm
from gmmflex.engine.stages.neutral.choice import Held, resolution_when_held_A, sentence_of
from gmmflex.engine.stages.neutral.completeness import completeness
from gmmflex.engine.stages.neutral.ladder import (
    Climb,
    Ladder,
    climb_from_map,
    climb_from_model,
    hold_model,
)
from gmmflex.engine.stages.neutral.residues import (
    blurred_like_map,
    gathered,
    points_as_gaussians,
    residues_as_gaussians,
)
from gmmflex.engine.stages.neutral.target import Target, default_resolution_A, target_of_density

if TYPE_CHECKING:
    from gmmflex.engine.settings.neutral import NeutralSettings

# Of a mixture from a model alone, in Å.
MODEL_RESOLUTION_A = 8.0


@dataclass(frozen=True)
class FittedModel:
    """whole: as in its file; atoms: those of it that Gaussians stand for."""

    whole: AtomicModel
    atoms: AtomicModel


@dataclass(frozen=True)
class Built:
    """A mixture with what it was made for; bonds: what keeping them cost."""

    target: Target
    resolution_A: float
    ladder: Ladder
    held: Held
    bonds: BondTerm | None = None


def build(
    settings: NeutralSettings,
    target: Target,
    model: FittedModel | None,
    device: torch.device,
    log: Log,
) -> Built:
    """Fit a mixture to the target, starting from the atoms of the model if there is one."""
    resolution = settings.resolution_A
    if resolution is None and settings.map is None:
        resolution = MODEL_RESOLUTION_A
    usual = resolution or default_resolution_A(target.density.pixel_size_A)
    if model is None:
        climb = Climb(target, usual, settings.gaussians, settings.seed, device, log)
        ladder = climb_from_map(climb)
        return Built(target, usual, ladder, Held(False))
    sharp = _sharp(settings, target, model, log)
    held = _held(settings, target, blurred_like_map(sharp, target, usual)[0], log)
    if held.held and resolution is None:
        assert settings.map is not None
        usual = resolution_when_held_A(target, sharp, settings.atoms == "ca")
        log(
            f"resolution {usual:.1f} A, to which model and map agree; --resolution would set "
            "another"
        )
        density = target.density
        unmasked = Map(target.unmasked, density.pixel_size_A, density.origin_A)
        target = target_of_density(unmasked, settings.map, settings.mask, usual)
    start, blur_A = blurred_like_map(sharp, target, usual)
    log(f"{start.n_gaussians} Gaussians of the model, blurred by {blur_A:.2f} A like the map")
    if held.held:
        return Built(target, usual, hold_model(target, start, usual, device), held)
    bonds = BondTerm(model.atoms, start, target.centre_A, device) if settings.bonds else None
    climb = Climb(target, usual, settings.gaussians, settings.seed, device, log)
    ladder = climb_from_model(climb, start, bonds)
    return Built(target, usual, ladder, held, bonds)


def _held(settings: NeutralSettings, target: Target, start: GaussianMixture, log: Log) -> Held:
    """As asked for; else as the map tells, unless the model is to be fitted or filled up."""
    if settings.hold_model is not None:
        return Held(settings.hold_model)
    more = settings.gaussians is not None and settings.gaussians > start.n_gaussians
    if settings.map is None or settings.bonds or more:
        return Held(False)
    weighed = completeness(target, start)
    log(sentence_of(weighed))
    return Held(weighed.complete, weighed)


def _sharp(
    settings: NeutralSettings, target: Target, model: FittedModel, log: Log
) -> GaussianMixture:
    """The Gaussians that the model stands for, without the blur of a map."""
    if settings.atoms == "ca":
        whole = model.whole
        sharp = residues_as_gaussians(whole, whole.alpha_carbons(), target.centre_A)
    else:
        sharp = points_as_gaussians(model.atoms, target.centre_A)
    wanted = settings.gaussians
    if wanted is not None and wanted < sharp.n_gaussians:
        log(f"{sharp.n_gaussians} residues or atoms are gathered into {wanted} Gaussians")
        sharp = gathered(sharp, wanted, settings.seed)
    return sharp
