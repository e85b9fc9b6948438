"""The fitted model of an analysis, in the frame of its mixture."""

import os
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from gmmflex.convert.map_frame import density_at
from gmmflex.engine.io.maps import Map, read_map
from gmmflex.engine.io.models import read_model
from gmmflex.engine.io.runs.run_folder import RUN_FILE
from gmmflex.protocols.steps.step_keys import as_text, input_key
from gmmflex.results.finished_analysis import config_of

MODEL_FILE = "fitted_model.cif"
# another frame has to explain the atoms so much better before the model is moved
CLEARLY_BETTER = 1.5


class ModelElsewhere(Exception):
    """The model lies outside of the molecule in every frame that maps are shown in."""


@dataclass(frozen=True)
class Placement:
    """shift_A: (3,) to be added to the atoms; sentence: what was found, for the log."""

    shift_A: np.ndarray
    sentence: str


def placement(coordinates_A: np.ndarray, mixture: Map, name: str) -> Placement:
    """How a model gets into the frame of a mixture's map.

    Programs show one map in different frames: where its header says, with the first voxel at 0,
    or (Scipion) with the box centre at 0. The model is taken as it is unless another of these
    puts its atoms into clearly more density.

    Raises:
        ModelElsewhere: no frame puts the atoms into density.
    """
    to_centre_A = mixture.origin_A + (mixture.box_px // 2) * mixture.pixel_size_A
    frames = {
        "as it is": np.zeros(3),
        "from a frame with the first voxel at 0": mixture.origin_A,
        "from a frame with the box centre at 0": to_centre_A,
    }
    densities = {
        which: density_at(mixture, coordinates_A + shift) for which, shift in frames.items()
    }
    best = max(densities, key=lambda which: densities[which])
    # a model that lies anywhere in the box has the mean of the box around it
    if densities[best] <= 2 * max(float(mixture.data.mean()), 0.0):
        raise ModelElsewhere(
            f"The model {name} does not lie in the density of the mixture: fit it into the "
            "consensus map that the mixture was built from, and save it in the frame of that map."
        )
    if densities[best] <= CLEARLY_BETTER * densities["as it is"]:
        best = "as it is"
    shift_A = frames[best]
    moved = "" if best == "as it is" else " by ({:.1f}, {:.1f}, {:.1f}) Å".format(*shift_A)
    return Placement(
        shift_A, f"Model taken {best}{moved}: mean density at its atoms {densities[best]:.3g}."
    )


def write_placed(path: str, mixture: Map, target: str) -> str:
    """Write the model at `path` into the frame of `mixture` as mmCIF; a sentence for the log."""
    placed = placement(read_model(path).coordinates_A, mixture, path)
    structure = gemmi.read_structure(path, merge_chain_parts=False, format=gemmi.CoorFormat.Detect)
    structure.setup_entities()
    move = gemmi.Transform(gemmi.Mat33(), gemmi.Vec3(*placed.shift_A.tolist()))
    for model in structure:
        model.transform_pos_and_adp(move)
    structure.make_mmcif_document().write_file(target)
    return placed.sentence


def model_of_mixture(gaussians) -> str | None:
    """The fitted model that a GaussianModel was built from; None if it had none or it is gone."""
    return _model_of_run(gaussians.getRunFolder())


def model_of_analysis(run_folder: str) -> str | None:
    """The fitted model of a finished analysis, in the frame of its mixture, or else that of the
    mixture; None if neither has one."""
    return _model_of_run(run_folder) or _model_of_run(config_of(run_folder)["neutral"])


def _model_of_run(folder: str) -> str | None:
    if not Path(folder, RUN_FILE).exists():
        return None
    path = config_of(folder).get("model")
    return path if path and os.path.exists(path) else None


class UsesFittedModel:
    """Mixed into protocols with the parameters inputModel and inputGaussians."""

    def _insertModelStep(self):
        if self.inputModel.get() is not None:
            self._insertFunctionStep(self.convertModelStep, self._modelKey(), needsGPU=False)

    def convertModelStep(self, model):
        """The fitted model in the frame of the mixture."""
        mixture = read_map(self.inputGaussians.get().getMapFileName())
        path = self.inputModel.get().getFileName()
        self.info(write_placed(path, mixture, self._getExtraPath(MODEL_FILE)))

    def getModelFile(self):
        """The model whose residues are meant: as given, or that of the mixture; None if neither."""
        if self.inputModel.get() is not None:
            return self.inputModel.get().getFileName()
        gaussians = self.inputGaussians.get()
        return None if gaussians is None else model_of_mixture(gaussians)

    def _modelFaults(self, purpose):
        """purpose: what the model is needed for, as the end of a sentence."""
        if self.inputGaussians.get() is None or self.getModelFile() is not None:
            return []
        return [
            f"There is no fitted model to {purpose}: give one, since the neutral mixture was "
            "built without one."
        ]

    def _modelArguments(self):
        """--model for the engine; the mixture's own model needs no option."""
        return [] if self.inputModel.get() is None else ["--model", self._getExtraPath(MODEL_FILE)]

    def _modelKey(self):
        return as_text(model=input_key(self.inputModel), gaussians=input_key(self.inputGaussians))
