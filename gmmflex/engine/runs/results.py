"""A finished heterogeneity run, read back: decode any latent into a mixture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gmmflex.engine.io.arrays import read_array
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE
from gmmflex.engine.io.tensor_header import read_tensor_header
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import Offsets, apply_offsets
from gmmflex.engine.nets.architecture import Architecture, WrongTensors, check_tensors
from gmmflex.engine.nets.build import DecoderDescription
from gmmflex.engine.nets.encoder import Encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.parts.regions import Region, build_decoders
from gmmflex.engine.settings.decoder_registry import BrokenDecoder, UnknownDecoder

_CENTRE = "neutral.centre_A"


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
        about = _checked_architecture(weights_path)
        state = load_file(weights_path)
        if not all(bool(torch.isfinite(value).all()) for value in state.values()):
            raise ValueError("weights that are not finite")
        neutral = GaussianMixture(
            state.pop("neutral.positions_A"),
            state.pop("neutral.amplitudes"),
            state.pop("neutral.sigmas_A"),
        )
        centre: Tensor = state.pop(_CENTRE)
        descriptions = about.decoders
        regions = {
            item.name: Region(state.pop(f"region.{item.name}"), item.bodies)
            for item in descriptions
        }
        encoder = Encoder(about.encoder_inputs, about.latent_dim)
        decoder = build_decoders(
            descriptions, regions, about.latent_dim, neutral, about.refine_neutral
        )
        model = Model(encoder, decoder, neutral)
        model.load(state)
        latents = read_array(latents_path)
        if latents.dtype != np.float32 or latents.shape[1:] != (about.latent_dim,):
            raise ValueError(f"latents {latents.dtype} of shape {latents.shape}")
    except BrokenDecoder as fault:
        raise UserError(f"{folder} cannot be read: {fault}") from fault
    except UnknownDecoder as fault:
        raise UserError(
            f"{folder} was made with the decoder {fault.name}, which is not here: install the "
            "package that brings it"
        ) from fault
    except WrongTensors as fault:
        raise UserError(
            f"{weights_path}: {fault}, so it was not written by this version of gmmflex: run the "
            "analysis again"
        ) from fault
    # RuntimeError: of torch, for weights that do not fit
    except (SafetensorError, OSError, RuntimeError, ValueError) as fault:
        raise UserError(
            f"{weights_path} or {latents_path.name} was not written by this version of gmmflex: "
            "run the analysis again"
        ) from fault
    if not np.isfinite(latents).all():
        raise UserError(f"{latents_path} holds values that are not finite: run the analysis again")
    return RunResults(model, about.keeps_bonds, descriptions, regions, centre.numpy(), latents)


def _checked_architecture(path: Path) -> Architecture:
    """What the file says of itself, if its tensors are the ones that follow from that.

    Nothing is allocated before. Raises ValueError (pydantic's is one) if they are not, the
    subclasses WrongTensors and UnknownDecoder where that is known.
    """
    header = read_tensor_header(path)
    about = Architecture.model_validate_json(header.text.get("gmmflex", ""))
    check_tensors(about, header.shapes)
    for name, kind in header.kinds.items():
        wanted = "F64" if name == _CENTRE else "F32"
        if kind != wanted:
            raise WrongTensors(f"the tensor {name} is {kind} and not {wanted}")
    return about
