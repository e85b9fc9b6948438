"""The decoders of a run: what each may change, and how they are made, stored and made again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel, read_model
from gmmflex.engine.io.runs.run_folder import RUN_FILE, read_json
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.nets.build import DecoderDescription, build_decoder, name_is_taken
from gmmflex.engine.nets.combined_decoder import CombinedDecoder
from gmmflex.engine.nets.registry import decoder_kind
from gmmflex.engine.nets.rest_correction import RestCorrection
from gmmflex.engine.parts.bodies import gaussians_at, memberships
from gmmflex.engine.parts.neutral import Neutral, varying_gaussians
from gmmflex.engine.settings.decoder import DecoderSettings
from gmmflex.engine.settings.decoder_kind import SHARED
from gmmflex.engine.settings.decoder_registry import UnknownDecoder, decoder_spec
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings

Bodies = tuple[tuple[str, ...], Tensor]
"""Names, and (n_bodies, N) how much of each Gaussian belongs to each."""


@dataclass(frozen=True)
class Region:
    """What a decoder may change. values: (N,), or (n_bodies, N) for the bodies named.

    watched: bodies of another decoder than a rigid one, whose motion is reported.
    """

    values: Tensor
    bodies: tuple[str, ...] = ()
    watched: Bodies | None = None

    @property
    def reported(self) -> Bodies | None:
        """The bodies whose motion is reported, whether they are rigid or not."""
        return (self.bodies, self.values) if self.bodies else self.watched

    @property
    def varies(self) -> Tensor:
        """(N,) above 0 where a Gaussian may change."""
        return self.values if self.values.dim() == 1 else self.values.amax(0)


def regions_of(
    settings: HeterogeneitySettings, neutral: Neutral, unit: Tensor | None = None
) -> dict[str, Region]:
    """The region of each decoder of a run, by name.

    unit: (N,) what a decoder without a region of its own may change; everything if not given.
    Raises UserError for a mask, residues or a body that hold nothing, and for a decoder's name
    that no part of a network can have.
    """
    decoders = settings.decoder_list
    for decoder in decoders:
        if name_is_taken(decoder.name):
            raise UserError(f"decoder {decoder.name}: that name is taken: give another")
        try:
            decoder_kind(decoder.kind)
        except UnknownDecoder as fault:
            raise UserError(f"decoder {decoder.name}: {fault}") from fault
    needs_model = any(decoder.region or decoder.bodies for decoder in decoders)
    model = fitted_model(settings.model, neutral) if needs_model else None
    return {
        decoder.name: _region(decoder, settings.mask, neutral, model, unit) for decoder in decoders
    }


def _region(
    decoder: DecoderSettings,
    mask: Path | None,
    neutral: Neutral,
    model: AtomicModel | None,
    unit: Tensor | None,
) -> Region:
    named: Bodies | None = None
    if decoder.bodies:
        named = memberships(decoder.bodies, neutral, model, decoder.body_edge_A)
    if decoder_spec(decoder.kind).moves_bodies:
        assert named is not None
        return Region(named[1], named[0])
    if decoder.region is not None:
        inside = gaussians_at(decoder.region, f"region of {decoder.name}", neutral, model)
        return Region(torch.as_tensor(inside, dtype=torch.float32), watched=named)
    own_mask = decoder.mask or mask
    if own_mask is None and unit is not None:
        return Region(unit, watched=named)
    return Region(varying_gaussians(neutral, own_mask), watched=named)


def fitted_model(given: Path | None, neutral: Neutral) -> AtomicModel | None:
    """The model given, or the one that the neutral mixture was built from; None without one.

    Raises UserError if the neutral mixture's model is no longer there.
    """
    if given is not None:
        return read_model(given)
    path = model_of_neutral(neutral)
    return None if path is None else read_model(path)


def model_of_neutral(neutral: Neutral) -> Path | None:
    """Path of the model that a neutral run was built from."""
    run_file = neutral.path.parent / RUN_FILE
    if neutral.path.name != "neutral.cif" or not run_file.exists():
        return None
    config = read_json(run_file).get("config")
    stored = config.get("model") if isinstance(config, dict) else None
    if stored is None:
        return None
    path = Path(str(stored))
    if not path.exists():
        raise UserError(
            f"the model {path} that {neutral.path.parent} was built from is no longer there: give "
            "the fitted model with --model"
        )
    return path


def describe_decoders(
    settings: HeterogeneitySettings, regions: dict[str, Region], resolution_A: float
) -> tuple[DecoderDescription, ...]:
    """What is stored of each decoder; smoothing not set is 0.75 × resolution."""
    return tuple(
        _description(decoder, regions[decoder.name], settings.seed, resolution_A)
        for decoder in settings.decoder_list
    )


def _description(
    decoder: DecoderSettings, region: Region, seed: int, resolution_A: float
) -> DecoderDescription:
    kind = decoder_spec(decoder.kind)
    own = kind.options_of(decoder).model_dump(mode="json", exclude=set(SHARED))
    return DecoderDescription(
        name=decoder.name,
        kind=decoder.kind,
        vary=decoder.vary,
        smoothing_A=0.75 * resolution_A if decoder.smoothing_A is None else decoder.smoothing_A,
        anchors=decoder.anchors if "anchors" in kind.options.model_fields else (),
        bodies=region.bodies,
        seed=seed,
        options=own or None,
    )


def build_decoders(
    descriptions: tuple[DecoderDescription, ...],
    regions: dict[str, Region],
    latent_dim: int,
    neutral: GaussianMixture,
    refine_neutral: bool,
) -> CombinedDecoder:
    """All decoders of a run with fresh weights, on the mixture's device.

    refine_neutral: amplitudes and widths at rest are learnt beside them.
    """
    device = neutral.positions_A.device
    parts = {
        description.name: build_decoder(
            description, regions[description.name].values.to(device), latent_dim, neutral
        )
        for description in descriptions
    }
    at_rest = RestCorrection(varied_anywhere(regions)) if refine_neutral else None
    return CombinedDecoder(parts, at_rest).to(device)


def varied_anywhere(regions: dict[str, Region]) -> Tensor:
    """(N,) 1 for Gaussians that any decoder may change."""
    together = torch.stack([region.varies for region in regions.values()])
    return (together.amax(0) > 0).to(torch.float32)
