"""Protocol "heterogeneity analysis": a latent space of the particles' conformations."""

import os
from enum import Enum
from pathlib import Path

import pyworkflow.utils as pwutils
from pwem.objects import SetOfParticlesFlex
from pwem.protocols import EMProtocol, ProtFlexBase
from pyworkflow import BETA

from gmmflex.constants import LATENTS_STAR_FILE, NEUTRAL_MODEL_FILE, SUMMARY_FILE, WEIGHTS_FILE
from gmmflex.convert import read_particle_set, star_tables
from gmmflex.engine.io.maps import read_map, write_map
from gmmflex.engine.io.star import read_star, write_star
from gmmflex.latent_output import fill_flex_set, latents_by_id
from gmmflex.original_metadata import columns_from_star, rejoin
from gmmflex.protocols.engine_job import SEVERAL_GPUS, RunsEngine
from gmmflex.protocols.heterogeneity_form import define_parameters
from gmmflex.protocols.scipion_maps import centred_like, read_scipion_map
from gmmflex.protocols.step_keys import as_text, file_key, input_key

STACK_SUFFIXES = (".mrcs", ".mrc")


class HeterogeneityOutputs(Enum):
    outputParticles = SetOfParticlesFlex


class ProtGmmflexHeterogeneity(RunsEngine, EMProtocol, ProtFlexBase):
    """Find how a molecule moves and changes from particle to particle.

    A neural network looks at each particle image and gives it a point in a space of few
    dimensions; a second one turns that point into movements (and, if wanted, changes of amplitude
    and width) of the Gaussians of the neutral mixture. Both are trained together so that the
    projections of the moved mixture resemble the images. Particles that lie near each other in
    the latent space show the molecule in similar states.
    """

    _label = "heterogeneity analysis"
    _devStatus = BETA
    _possibleOutputs = HeterogeneityOutputs

    # --------------------------- form ---------------------------------------
    def _defineParams(self, form):
        self._defineGpuParams(form, SEVERAL_GPUS)
        define_parameters(form)

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        inputs = as_text(
            particles=input_key(self.inputParticles), original=file_key(self.originalFile.get())
        )
        settings = as_text(**self._settings())
        self._insertFunctionStep(self.convertInputStep, inputs, needsGPU=False)
        mask = as_text(mask=input_key(self.inputMask), gaussians=input_key(self.inputGaussians))
        self._insertFunctionStep(self.convertMaskStep, mask, needsGPU=False)
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
        """The mask as MRC, in the frame of the neutral mixture.

        Scipion takes mask and map to lie on each other voxel by voxel, wherever their files say
        that their origins are.
        """
        if self.inputMask.get() is not None:
            given = read_scipion_map(self.inputMask.get(), self._getTmpPath("mask.mrc"))
            neutral = read_map(self.inputGaussians.get().getMapFileName())
            write_map(self._maskPath(), centred_like(given, neutral))

    def trainStep(self, inputs, settings):
        self._prepareRunFolder(self._runFolder(), inputs + settings)
        self._runEngine(
            "heterogeneity", self._engineArguments(), self._summaryPath(), self._numberOfProcesses()
        )

    def createOutputStep(self, inputs, settings):
        particles = self.inputParticles.get()
        latents = latents_by_id(read_star(self._latentsPath()), str(self._latentsPath()))
        output = self._createSetOfParticlesFlex()
        fill_flex_set(output, particles, latents)
        info = output.getFlexInfo()
        info.setAttr("modelPath", os.path.join(self._runFolder(), WEIGHTS_FILE))
        info.setAttr("runFolder", self._runFolder())
        info.setAttr("neutralPath", self.inputGaussians.get().getFileName())
        info.setAttr("latentDim", latents.dimensions)
        self._defineOutputs(**{HeterogeneityOutputs.outputParticles.name: output})
        self._defineTransformRelation(self.inputParticles, output)
        self._defineSourceRelation(self.inputGaussians, output)

    # --------------------------- what people read ---------------------------
    def _validate(self):
        errors = []
        particles, gaussians = self.inputParticles.get(), self.inputGaussians.get()
        if particles is not None:
            errors += self._particleErrors(particles)
        if gaussians is not None and not gaussians.exists():
            errors.append(
                f"The neutral mixture {gaussians.getFileName()} is no longer there: run 'build "
                "neutral GMM' again."
            )
        if not (self.varyPositions.get() or self.varyAmplitudes.get() or self.varyWidths.get()):
            errors.append("Let at least one of positions, amplitudes and widths vary.")
        errors += self._resolutionErrors(particles)
        errors += self._processErrors()
        original = self.originalFile.get()
        if original and not os.path.isfile(original):
            errors.append(f"Original star or cs file {original} does not exist: check the path.")
        return errors

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
        if self.varyWidths.get() and self.varyAmplitudes.get():
            warnings.append(
                "With amplitudes and widths both free, a weak signal can be explained in two ways; "
                "start with positions, or with positions and amplitudes."
            )
        return warnings

    def _summary(self):
        summary = self._summaryOf(self._runFolder())
        if not summary:
            return ["The analysis is not finished yet."]
        output = getattr(self, HeterogeneityOutputs.outputParticles.name, None)
        size = "" if output is None else f"*{output.getSize()} particles* in "
        gaussians = self.inputGaussians.get()
        lines = [f"{size}a latent space of *{self.latentDimension.get()} dimensions*."]
        if gaussians is not None:
            number = gaussians.getNumberOfGaussians()
            lines.append(f"{number} Gaussians; {self._variedText()} vary.")
        scores = [summary.get(name) for name in ("test_score_neutral", "test_score")]
        if None not in scores:
            lines.append(
                "Agreement with images held out (weighted FRC): "
                f"{scores[0]:.3f} for the mixture at rest, *{scores[1]:.3f}* after training."
            )
        if summary.get("epochs"):
            lines.append(f"{summary['epochs']} epochs in {summary.get('seconds', 0):.0f} s.")
        return lines

    def _methods(self):
        summary = self._summaryOf(self._runFolder())
        output = getattr(self, HeterogeneityOutputs.outputParticles.name, None)
        if not summary or output is None:
            return []
        gaussians = self.inputGaussians.get().getNumberOfGaussians()
        return [
            f"The heterogeneity of {output.getSize()} particles was analysed with a Gaussian "
            f"mixture of {gaussians} Gaussians and a latent space of {self.latentDimension.get()} "
            f"dimensions; {self._variedText()} of the Gaussians could vary [Chen2021, Chen2023]."
        ]

    def _citations(self):
        return ["Chen2021", "Chen2023"]

    # --------------------------- details ------------------------------------
    def _particleErrors(self, particles):
        errors = []
        if not particles.hasCTF():
            errors.append(
                "The particles have no CTF: give the refined particles with their CTF, or assign "
                "it with 'assign ctf'."
            )
        if particles.isPhaseFlipped():
            errors.append(
                "The particles are marked as phase flipped, but the CTF is put onto the model's "
                "projections: give the particles as they were before phase flipping."
            )
        first = particles.getFirstItem()
        if first is not None and Path(first.getFileName()).suffix.lower() not in STACK_SUFFIXES:
            errors.append(
                f"The images lie in {first.getFileName()}, which is no MRC stack: convert the "
                "particles to .mrcs first (for example with 'relion - preprocess particles')."
            )
        return errors

    def _resolutionErrors(self, particles):
        errors = []
        resolution, first = self.resolution.get(), self.firstResolution.get()
        pixel_size = None if particles is None else particles.getSamplingRate()
        if resolution and pixel_size and resolution < 2 * pixel_size:
            errors.append(
                f"Resolution {resolution:g} Å cannot be reached with a pixel size of "
                f"{pixel_size:.3f} Å: give at least {2.05 * pixel_size:.2f} Å, or 0."
            )
        if resolution and first and first < resolution:
            errors.append(
                f"The first resolution ({first:g} Å) is coarser than the last one "
                f"({resolution:g} Å), so it has to be the larger number."
            )
        return errors

    def _processErrors(self):
        """What is wrong with the number of processes; each works with a GPU of its own."""
        wanted = self.processes.get()
        if self.usesGpu():
            gpus = self.getGpuList()
            if len(set(gpus)) < len(gpus):
                return [f"The list of GPUs '{self.gpuList.get()}' names one twice: name each once."]
            if wanted not in (0, max(1, len(gpus))):
                return [
                    f"{wanted} processes were asked for but the list of GPUs "
                    f"'{self.gpuList.get()}' holds {len(gpus)}: give 0 processes for one on each "
                    "GPU, or do not use GPUs."
                ]
        elif wanted > self.numberOfThreads.get():
            return [
                f"{wanted} processes cannot share {self.numberOfThreads.get()} threads: give at "
                "least as many threads as processes."
            ]
        return []

    def _numberOfProcesses(self):
        gpus = len(self.getGpuList()) if self.usesGpu() else 0
        return self.processes.get() or max(1, gpus)

    def _settings(self):
        """Every parameter that the training depends on."""
        return {
            "gaussians": input_key(self.inputGaussians),
            "mask": input_key(self.inputMask),
            "latentDimension": self.latentDimension.get(),
            "resolution": self.resolution.get(),
            "firstResolution": self.firstResolution.get(),
            "vary": self._varied(),
            "epochs": self.epochs.get(),
            "batchSize": self.batchSize.get(),
            "smoothing": self.smoothing.get(),
            "contrast": self.getEnumText("contrast"),
            "seed": self.seed.get(),
        }

    def _engineArguments(self):
        arguments = [self._starPath(), "--output", self._runFolder()]
        arguments += ["--neutral", self.inputGaussians.get().getRunFolder()]
        arguments += ["--latent-dim", self.latentDimension.get()]
        arguments += ["--vary", ",".join(self._varied())]
        if self.inputMask.get() is not None:
            arguments += ["--mask", self._maskPath()]
        optional = {
            "--resolution": self.resolution.get(),
            "--first-resolution": self.firstResolution.get(),
            "--epochs": self.epochs.get(),
            "--batch-size": self.batchSize.get(),
            "--smoothing": self.smoothing.get(),
        }
        for flag, value in optional.items():
            if value:
                arguments += [flag, value]
        arguments += ["--invert-contrast", self.getEnumText("contrast").split(" ")[0]]
        return [
            *arguments,
            "--seed",
            self.seed.get(),
            *self._deviceArguments(self._numberOfProcesses()),
        ]

    def _varied(self):
        chosen = {
            "positions": self.varyPositions.get(),
            "amplitudes": self.varyAmplitudes.get(),
            "widths": self.varyWidths.get(),
        }
        return [name for name, is_chosen in chosen.items() if is_chosen]

    def _variedText(self):
        names = self._varied()
        return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"

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

    def _maskPath(self):
        return self._getExtraPath("mask.mrc")

    def _latentsPath(self):
        return os.path.join(self._runFolder(), LATENTS_STAR_FILE)
