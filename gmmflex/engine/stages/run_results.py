"""A finished heterogeneity run, read back: decode any latent into a mixture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.run_folder import SUMMARY_FILE
from gmmflex.engine.model.mixture import GaussianMixture
from gmmflex.engine.model.offsets import Offsets, apply_offsets
from gmmflex.engine.nets.build import DecoderDescription
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.stages.decoders import Region, build_decoders
from gmmflex.engine.stages.trained_model import Model


@dataclass(frozen=True)
class RunResults:
    """model: trained networks and neutral mixture (centred); centre_A: (3,) box centre in the
    frame of the files; latents: (n, d) in input order; keeps_bonds: of a
    fitted model, in training; descriptions, regions: of its decoders."""

    model: Model
    keeps_bonds: bool
    descriptions: tuple[DecoderDescription, ...]
    regions: dict[str, Region]
    centre_A: NDArray[np.float64]
    latents: NDArray[np.float32]

    @torch.no_grad()
    def offsets(self, latents: NDArray[np.float32]) -> Offsets:
        """Offsets for (B, d) latents."""
        decoded: Offsets = self.model.decoder(torch.as_tensor(latents, dtype=torch.float32))
        return decoded

    @torch.no_grad()
    def mixtures(self, latents: NDArray[np.float32]) -> GaussianMixture:
        """Mixtures for (B, d) latents, centred."""
        return apply_offsets(self.model.neutral, self.offsets(latents))

    def mixture(self, latent: NDArray[np.float32]) -> GaussianMixture:
        """The mixture of one latent (d,), centred."""
        batch, n = self.mixtures(latent[None]), self.model.neutral.n_gaussians
        # What is held is not repeated for each of a batch.
        return GaussianMixture(
            batch.positions_A.reshape(n, 3), batch.amplitudes.reshape(n), batch.sigmas_A.reshape(n)
        )


def read_run(folder: Path) -> RunResults:
    """Read weights.safetensors and latents.npy of a finished run.

    Raises UserError if the folder is no finished heterogeneity run.
    """
    weights_path, latents_path = folder / "weights.safetensors", folder / "latents.npy"
    # The summary is the last thing that a run writes.
    if not all(p.exists() for p in (weights_path, latents_path, folder / SUMMARY_FILE)):
        raise UserError(
            f"{folder} holds no finished run of 'gmmflex heterogeneity': run or resume it first"
        )
    try:
        with safe_open(weights_path, framework="pt") as stored:
            about = json.loads((stored.metadata() or {}).get("gmmflex", "{}"))
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        neutral = GaussianMixture(
            *(state.pop(f"neutral.{part}") for part in ("positions_A", "amplitudes", "sigmas_A"))
        )
        centre: Tensor = state.pop("neutral.centre_A")
        descriptions = tuple(DecoderDescription(**item) for item in about["decoders"])
        regions = {
            item.name: Region(state.pop(f"region.{item.name}"), item.bodies)
            for item in descriptions
        }
        keeps_bonds = bool(about["keeps_bonds"])
        encoder = Encoder(about["encoder_inputs"], about["latent_dim"])
        decoder = build_decoders(
            descriptions, regions, about["latent_dim"], neutral, about["refine_neutral"]
        )
        model = Model(encoder, decoder, neutral)
        model.load(state)
        latents = np.load(latents_path, allow_pickle=False)
    except (SafetensorError, KeyError, RuntimeError, ValueError, EOFError) as fault:
        raise UserError(
            f"{weights_path} or {latents_path.name} was not written by this version of gmmflex: "
            "run the analysis again"
        ) from fault
    if not np.isfinite(latents).all():
        raise UserError(f"{latents_path} holds values that are not finite: run the analysis again")
    return RunResults(model, keeps_bonds, descriptions, regions, centre.numpy(), latents)
