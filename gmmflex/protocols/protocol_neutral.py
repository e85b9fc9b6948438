"""Protocol "build neutral GMM": the molecule at rest as a sum of Gaussians."""

import os
from enum import Enum
from pathlib import Path

from pwem.objects import AtomStruct, Volume
from pwem.protocols import EMProtocol
from pyworkflow import BETA
from pyworkflow.object import String

from gmmflex.constants import NEUTRAL_MAP_FILE, NEUTRAL_MODEL_FILE, SUMMARY_FILE
from gmmflex.convert import map_frame
from gmmflex.convert.maps import fill_volume
from gmmflex.engine.io.maps import Map, read_map, write_map
from gmmflex.engine.io.models import read_model
from gmmflex.objects import GaussianModel
from gmmflex.protocols.forms.neutral_form import (
    ATOMS,
    FROM_BOTH,
    FROM_MAP,
    FROM_MODEL,
    HOLD_AUTOMATIC,
    HOLD_YES,
    MASK_AUTOMATIC,
    MASK_GIVEN,
    MASK_NONE,
    define_parameters,
)
from gmmflex.protocols.steps.engine_job import RunsEngine
from gmmflex.protocols.steps.scipion_maps import read_scipion_map
from gmmflex.protocols.steps.step_keys import as_text, input_key
from gmmflex.results.chimerax_script import mixture_script


class NeutralOutputs(Enum):
    outputGaussians = GaussianModel
    outputModel = AtomStruct
    outputVolume = Volume


def held_lines(summary):
    """What became of a model's Gaussians, and why; nothing for a mixture from a map alone."""
    share, held = summary.get("model_accounts_for"), summary.get("model_held")
    if held is None or not summary.get("gaussians_from_model"):
        return []
    found = "" if share is None else f" It accounts for {100 * share:.0f} % of the map's mass."
    done = "kept as they are" if held else "fitted to the map"
    return [f"Gaussians of the model: *{done}*.{found}"]


class ProtGmmflexNeutral(RunsEngine, EMProtocol):
    """Build the neutral Gaussian mixture of a molecule: a sum of 3-D Gaussians that reproduces
    the consensus map up to a chosen resolution. Its Gaussians are what "heterogeneity analysis"
    moves.

    From a map, the number of Gaussians is raised step by step until the mixture explains the map
    (FSC above 0.95 up to the resolution). From a fitted atomic model, every chosen atom becomes
    a Gaussian. From both, they are kept as they are if the model accounts for the mass of the
    map, and otherwise fitted, with further Gaussians where the model leaves density unexplained.
    """

    _label = "build neutral GMM"
    _devStatus = BETA
    _possibleOutputs = NeutralOutputs

    # --------------------------- form ---------------------------------------
    def _defineParams(self, form):
        self._defineGpuParams(form)
        define_parameters(form)

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        inputs = as_text(**self._inputKeys())
        settings = as_text(**self._settings())
        self._insertFunctionStep(self.convertInputStep, inputs, needsGPU=False)
        self._insertFunctionStep(self.buildMixtureStep, inputs, settings, needsGPU=True)
        self._insertFunctionStep(self.createOutputStep, inputs, settings, needsGPU=False)

    def convertInputStep(self, inputs):
        """Maps as MRC with pixel size and origin in their headers."""
        if not self._hasMap():
            return
        volume = self.inputVolume.get()
        atoms = read_model(self._modelPath()).coordinates_A if self._hasModel() else None
        density, sentence = map_frame.with_origin(
            read_scipion_map(volume, self._getTmpPath("map.mrc")),
            volume.getShiftsFromOrigin(),
            self.mapOrigin.get(),
            atoms,
        )
        self.info(sentence)
        write_map(self._mapPath(), density)
        if self._hasMask():
            mask = read_scipion_map(self.inputMask.get(), self._getTmpPath("mask.mrc"))
            write_map(self._maskPath(), Map(mask.data, mask.pixel_size_A, density.origin_A))

    def buildMixtureStep(self, inputs, settings):
        self._prepareRunFolder(self._runFolder(), inputs + settings)
        self._runEngine("neutral", self._engineArguments(), self._summaryPath())

    def createOutputStep(self, inputs, settings):
        folder = self._runFolder()
        summary = self._summaryOf(folder)
        model_file = os.path.join(folder, NEUTRAL_MODEL_FILE)
        map_file = os.path.join(folder, NEUTRAL_MAP_FILE)
        density = read_map(map_file)

        gaussians = GaussianModel(runFolder=folder)
        gaussians.setFiles(model_file, map_file)
        gaussians.setNumberOfGaussians(summary["gaussians"])
        gaussians.setResolution(float(summary["resolution_A"]))
        gaussians.setSamplingRate(density.pixel_size_A)
        if summary.get("fsc_mean") is not None:
            gaussians.setMeanFsc(float(summary["fsc_mean"]))

        volume = fill_volume(Volume(), map_file, density.pixel_size_A)

        model = AtomStruct(filename=model_file, pseudoatoms=True)
        model.setVolume(volume.clone())
        script = self._getExtraPath("mixture_over_map.cxc")
        background = self._mapPath() if self._hasMap() else map_file
        Path(script).write_text(mixture_script(model_file, background), encoding="utf-8")
        model._chimeraScript = String(script)  # what Scipion's ChimeraX viewer opens

        self._defineOutputs(
            **{
                NeutralOutputs.outputGaussians.name: gaussians,
                NeutralOutputs.outputModel.name: model,
                NeutralOutputs.outputVolume.name: volume,
            }
        )
        for pointer in self._usedPointers().values():
            for output in (gaussians, model, volume):
                self._defineSourceRelation(pointer, output)

    # --------------------------- what people read ---------------------------
    def _validate(self):
        errors = []
        if self._hasMap() and self.inputVolume.get() is None:
            errors.append("Give the consensus map, or start from an atomic model only.")
        if self._hasModel() and self.inputModel.get() is None:
            errors.append("Give the fitted atomic model, or start from the map only.")
        if self._hasMask() and self.inputMask.get() is None:
            errors.append("Give the mask of the molecule, or have it made from the map.")
        pixel_size = self._pixelSizeA()
        if pixel_size and 0 < self.resolution.get() < 2 * pixel_size:
            errors.append(
                f"Resolution {self.resolution.get():g} Å cannot be reached with a pixel size of "
                f"{pixel_size:.3f} Å: give at least {2.05 * pixel_size:.2f} Å."
            )
        return errors

    def _warnings(self):
        warnings = []
        if self._hasMap() and self.inputVolume.get() is not None:
            pixel_size = self.inputVolume.get().getSamplingRate()
            if 0 < self.resolution.get() < 4 and not self._hasModel() and pixel_size:
                warnings.append(
                    "Finer than 4 Å, a mixture made from the map alone needs very many Gaussians; "
                    "a fitted model with all atoms is the better start."
                )
        return warnings

    def _summary(self):
        summary = self._summaryOf(self._runFolder())
        if not summary:
            return ["The mixture is not built yet."]
        lines = [
            f"*{summary['gaussians']} Gaussians* up to {summary['resolution_A']:.3g} Å, in a box "
            f"of {summary['box_px']} px of {summary['pixel_size_A']:.3f} Å."
        ]
        if summary.get("fsc_mean") is not None:
            against = "the map" if self._hasMap() else "the model's density"
            lines.append(
                f"FSC of the mixture against {against}: mean *{summary['fsc_mean']:.3f}*, minimum "
                f"{summary['fsc_minimum']:.3f}."
            )
        lines += held_lines(summary)
        if summary.get("mask"):
            lines.append(f"Mask: {os.path.basename(str(summary['mask']))}.")
        return lines

    def _methods(self):
        summary = self._summaryOf(self._runFolder())
        if not summary:
            return []
        origin = {
            FROM_MAP: "the consensus map",
            FROM_MODEL: "a fitted atomic model",
            FROM_BOTH: "a fitted atomic model and the consensus map",
        }[self.source.get()]
        text = (
            f"A Gaussian mixture of {summary['gaussians']} Gaussians was built from {origin} up to "
            f"{summary['resolution_A']:.3g} Å [Chen2021]"
        )
        if summary.get("fsc_mean") is not None:
            text += f" (mean FSC {summary['fsc_mean']:.2f})"
        return [text + "."]

    def _citations(self):
        return ["Chen2021", "Chen2023"] if self._hasModel() else ["Chen2021"]

    # --------------------------- details ------------------------------------
    def _hasMap(self):
        return self.source.get() != FROM_MODEL

    def _hasModel(self):
        return self.source.get() != FROM_MAP

    def _holding(self):
        """What the form says of the model's Gaussians, if it is asked."""
        both = self._hasMap() and self._hasModel()
        return self.holdModel.get() if both else HOLD_AUTOMATIC

    def _keepsBonds(self):
        both = self._hasMap() and self._hasModel()
        return both and self.keepBonds.get() and self._holding() != HOLD_YES

    def _hasMask(self):
        return self._hasMap() and self.maskMode.get() == MASK_GIVEN

    def _usedPointers(self):
        used = {
            "inputVolume": self._hasMap(),
            "inputModel": self._hasModel(),
            "inputMask": self._hasMask(),
        }
        return {name: getattr(self, name) for name, is_used in used.items() if is_used}

    def _inputKeys(self):
        keys = {name: input_key(pointer) for name, pointer in self._usedPointers().items()}
        if self._hasMap():
            keys["mapOrigin"] = self.mapOrigin.get()
        return keys

    def _settings(self):
        """Every parameter that the mixture depends on."""
        settings = {
            "source": self.source.get(),
            "resolution": self.resolution.get(),
            "numberOfGaussians": self.numberOfGaussians.get(),
            "seed": self.seed.get(),
        }
        if self._hasMap():
            settings["maskMode"] = self.maskMode.get()
        else:
            settings.update(boxSize=self.boxSize.get(), pixelSize=self.pixelSize.get())
        if self._hasModel():
            settings["atoms"] = self.atoms.get()
        if self._keepsBonds():
            settings["keepBonds"] = True
        if self._holding() != HOLD_AUTOMATIC:
            settings["holdModel"] = self._holding()
        return settings

    def _engineArguments(self):
        arguments = ["--output", self._runFolder()]
        if self.resolution.get() > 0:
            arguments += ["--resolution", self.resolution.get()]
        if self._hasMap():
            mask = {
                MASK_AUTOMATIC: "auto",
                MASK_NONE: "none",
                MASK_GIVEN: self._maskPath(),
            }[self.maskMode.get()]
            arguments += ["--map", self._mapPath(), "--mask", mask]
        else:
            arguments += ["--box", self.boxSize.get(), "--pixel-size", self.pixelSize.get()]
        if self._hasModel():
            atoms = list(ATOMS)[self.atoms.get()]
            arguments += ["--model", self._modelPath(), "--from", atoms]
        if self._keepsBonds():
            arguments += ["--bonds"]
        if self._holding() != HOLD_AUTOMATIC:
            arguments += ["--hold-model" if self._holding() == HOLD_YES else "--no-hold-model"]
        if self.numberOfGaussians.get() > 0:
            arguments += ["--gaussians", self.numberOfGaussians.get()]
        return [*arguments, "--seed", self.seed.get(), *self._deviceArguments()]

    def _pixelSizeA(self):
        if not self._hasMap():
            return self.pixelSize.get()
        volume = self.inputVolume.get()
        return None if volume is None else volume.getSamplingRate()

    def _modelPath(self):
        return self.inputModel.get().getFileName()

    def _mapPath(self):
        return self._getExtraPath("consensus.mrc")

    def _maskPath(self):
        return self._getExtraPath("mask.mrc")

    def _summaryPath(self):
        return os.path.join(self._runFolder(), SUMMARY_FILE)

    def _runFolder(self):
        return self._getExtraPath("neutral")
