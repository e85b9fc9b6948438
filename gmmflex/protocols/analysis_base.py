"""What all analyses of heterogeneity share: from particles and a mixture to a latent space."""

import os
from abc import abstractmethod
from enum import Enum

import pyworkflow.utils as pwutils
from pwem.objects import SetOfParticlesFlex
from pwem.protocols import EMProtocol, ProtFlexBase
from pyworkflow import BETA

from gmmflex.constants import LATENTS_STAR_FILE, NEUTRAL_MODEL_FILE, SUMMARY_FILE
from gmmflex.convert.latents import describe_run, fill_flex_set, latents_by_id
from gmmflex.convert.original_metadata import columns_from_star, rejoin
from gmmflex.convert.particles import read_particle_set, star_tables
from gmmflex.engine.io.maps import read_map, write_map
from gmmflex.engine.io.star import read_star, write_star
from gmmflex.protocols.steps import analysis_checks as checks
from gmmflex.protocols.steps.analysis_texts import methods_text, summary_lines
from gmmflex.protocols.steps.engine_job import RunsEngine
from gmmflex.protocols.steps.scipion_maps import centred_like
from gmmflex.protocols.steps.step_keys import as_text, file_key, input_key
from gmmflex.results.finished_analysis import finished_run_folder


class AnalysisOutputs(Enum):
    outputParticles = SetOfParticlesFlex


class AnalysisProtocol(RunsEngine, EMProtocol, ProtFlexBase):
    """Base of the analyses; each says which decoder moves the Gaussians, and what it needs.

    A subclass gives the form, `_kindArguments` (its options of `gmmflex heterogeneity`),
    `_kindSettings` (everything those depend on) and, where it has any, masks and faults of its own.
    """

    _label = None  # Scipion lists protocols with a label only
    _devStatus = BETA
    _possibleOutputs = AnalysisOutputs

    # --------------------------- what kinds of analysis differ in -----------
    @abstractmethod
    def _kindArguments(self) -> list:
        """Options of `gmmflex heterogeneity` that say what moves."""

    @abstractmethod
    def _kindSettings(self) -> dict:
        """Everything that `_kindArguments` and the files they name depend on."""

    def _kindFaults(self) -> list:
        return []

    @abstractmethod
    def _whatMayChange(self) -> str:
        """What of the Gaussians is free to change, in words."""

    def _insertModelStep(self):
        """Where an analysis needs a fitted model, the step that brings it into the map's frame."""

    def _masks(self) -> dict:
        """MaskObject or MaskFile by the name of the file that it becomes."""
        return {}

    def _prepareKind(self):
        """Write what `_kindArguments` name besides masks and the model."""

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        inputs = as_text(
            particles=input_key(self.inputParticles), original=file_key(self.originalFile.get())
        )
        settings = as_text(**self._settings())
        self._insertFunctionStep(self.convertInputStep, inputs, needsGPU=False)
        self._insertFunctionStep(self.convertMaskStep, self._maskKey(), needsGPU=False)
        self._insertModelStep()
        self._insertFunctionStep(self.trainStep, inputs, settings, needsGPU=True)
        self._insertFunctionStep(self.createOutputStep, inputs, settings, needsGPU=False)

    def convertInputStep(self, inputs):
        """The particles as a RELION star file whose rlnImageId is Scipion's id."""
        columns = read_particle_set(self.inputParticles.get())
        original = self.originalFile.get()
        if original:
            canonical = self._getExtraPath("original.star")
            pwutils.cleanPath(canonical)
            self._runEngine("convert", [original, "--output", canonical], canonical)
            columns = rejoin(columns, columns_from_star(read_star(canonical)), original)
            self.info(f"Optics, CTF and half sets taken from {original}.")
        write_star(self._starPath(), star_tables(columns))

    def convertMaskStep(self, mask):
        """The masks as MRC, in the frame of the neutral mixture.

        Scipion takes mask and map to lie on each other voxel by voxel, wherever their files say
        that their origins are.
        """
        neutral = read_map(self.inputGaussians.get().getMapFileName())
        for name, given in self._masks().items():
            density = given.read(self._getTmpPath(name))
            write_map(self._getExtraPath(name), centred_like(density, neutral))

    def trainStep(self, inputs, settings):
        self._prepareRunFolder(self._runFolder(), inputs + settings)
        self._prepareKind()
        self._runEngine(
            "heterogeneity", self._engineArguments(), self._summaryPath(), self._numberOfProcesses()
        )

    def createOutputStep(self, inputs, settings):
        particles = self.inputParticles.get()
        latents = latents_by_id(read_star(self._latentsPath()), str(self._latentsPath()))
        output = self._createSetOfParticlesFlex()
        fill_flex_set(output, particles, latents)
        neutral_file = self.inputGaussians.get().getFileName()
        describe_run(output, self._runFolder(), neutral_file, latents.dimensions)
        self._defineOutputs(**{AnalysisOutputs.outputParticles.name: output})
        self._defineTransformRelation(self.inputParticles, output)
        self._defineSourceRelation(self.inputGaussians, output)

    # --------------------------- what people read ---------------------------
    def _validate(self):
        particles, gaussians = self.inputParticles.get(), self.inputGaussians.get()
        faults = []
        if particles is not None:
            faults += checks.particle_faults(particles)
        if gaussians is not None:
            faults += checks.mixture_faults(gaussians)
        if not self._varied():
            faults.append("Let at least one of positions, amplitudes and widths vary.")
        faults += checks.resolution_faults(
            self.resolution.get(),
            self.firstResolution.get(),
            None if particles is None else particles.getSamplingRate(),
        )
        faults += self._processErrors()
        faults += checks.original_file_faults(self.originalFile.get())
        faults += checks.symmetry_faults(self.symmetry.get())
        faults += checks.start_faults(self.startFrom.get())
        return faults + self._kindFaults()

    def _warnings(self):
        warnings = []
        particles, gaussians = self.inputParticles.get(), self.inputGaussians.get()
        if particles is None or gaussians is None:
            return warnings
        sizes = particles.getSamplingRate(), gaussians.getSamplingRate()
        if all(sizes) and abs(sizes[0] / sizes[1] - 1) > 0.01:
            warnings.append(
                f"The particles have {sizes[0]:.3f} Å/px but the mixture was built from a map of "
                f"{sizes[1]:.3f} Å/px: this is right only if both show the molecule in the same "
                "box, binned differently."
            )
        if {"amplitudes", "widths"} <= set(self._varied()):
            warnings.append(
                "With amplitudes and widths both free, a weak signal can be explained in two ways; "
                "start with positions, or with positions and amplitudes."
            )
        return warnings

    def _summary(self):
        summary = self._summaryOf(self._runFolder())
        if not summary:
            return ["The analysis is not finished yet."]
        return summary_lines(summary, self._whatMayChange())

    def _methods(self):
        summary = self._summaryOf(self._runFolder())
        output = getattr(self, AnalysisOutputs.outputParticles.name, None)
        if not summary or output is None:
            return []
        return [methods_text(summary, self._whatMayChange())]

    def _citations(self):
        return ["Chen2021", "Chen2023"]

    # --------------------------- details ------------------------------------
    def _varied(self):
        """Names of the properties that may change."""
        return ["positions"]

    def _processErrors(self):
        return checks.process_faults(
            self.processes.get(),
            self.getGpuList() if self.usesGpu() else None,
            self.gpuList.get(),
            self.numberOfThreads.get(),
        )

    def _numberOfProcesses(self):
        gpus = len(self.getGpuList()) if self.usesGpu() else 0
        return self.processes.get() or max(1, gpus)

    def _maskKey(self):
        return as_text(masks=self._maskKeys(), gaussians=input_key(self.inputGaussians))

    def _maskKeys(self):
        return {name: given.key() for name, given in self._masks().items()}

    def _settings(self):
        """Every parameter that the training depends on."""
        settings = {
            "gaussians": input_key(self.inputGaussians),
            "masks": self._maskKeys(),
            "latentDimension": self.latentDimension.get(),
            "resolution": self.resolution.get(),
            "firstResolution": self.firstResolution.get(),
            "vary": self._varied(),
            "epochs": self.epochs.get(),
            "batchSize": self.batchSize.get(),
            "contrast": self.getEnumText("contrast"),
            "symmetry": self._symmetry(),
            "startFrom": input_key(self.startFrom),
            "seed": self.seed.get(),
        }
        return {**settings, **self._kindSettings()}

    def _engineArguments(self):
        arguments = [self._starPath(), "--output", self._runFolder()]
        arguments += ["--neutral", self.inputGaussians.get().getRunFolder()]
        arguments += ["--latent-dim", self.latentDimension.get()]
        optional = {
            "--resolution": self.resolution.get(),
            "--first-resolution": self.firstResolution.get(),
            "--epochs": self.epochs.get(),
            "--batch-size": self.batchSize.get(),
        }
        for flag, value in optional.items():
            if value:
                arguments += [flag, value]
        if self._symmetry() != "C1":
            arguments += ["--symmetry", self._symmetry()]
        if self.startFrom.get() is not None:
            arguments += ["--start-from", finished_run_folder(self.startFrom.get())]
        arguments += self._kindArguments()
        arguments += ["--invert-contrast", self.getEnumText("contrast").split(" ")[0]]
        return [
            *arguments,
            "--seed",
            self.seed.get(),
            *self._deviceArguments(self._numberOfProcesses()),
        ]

    def _symmetry(self):
        return self.symmetry.get().strip().upper()

    def getNeutralFile(self):
        """The mixture at rest, mmCIF."""
        return os.path.join(self.inputGaussians.get().getRunFolder(), NEUTRAL_MODEL_FILE)

    def getRunFolder(self):
        """The engine's run folder, relative to the project."""
        return self._runFolder()

    def _runFolder(self):
        return self._getExtraPath("heterogeneity")

    def _summaryPath(self):
        return os.path.join(self._runFolder(), SUMMARY_FILE)

    def _starPath(self):
        return self._getExtraPath("particles.star")

    def _latentsPath(self):
        return os.path.join(self._runFolder(), LATENTS_STAR_FILE)
