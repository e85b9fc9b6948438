"""Protocol "refine poses": orientations and origins against each particle's own state."""

import os
from enum import Enum

from pwem.objects import SetOfParticles, SetOfParticlesFlex
from pwem.protocols import EMProtocol, ProtFlexBase
from pyworkflow import BETA
from pyworkflow.protocol.constants import LEVEL_ADVANCED
from pyworkflow.protocol.params import FloatParam, IntParam

from gmmflex.constants import (
    LATENTS_STAR_FILE,
    NEUTRAL_MODEL_FILE,
    REFINED_STAR_FILE,
    SUMMARY_FILE,
)
from gmmflex.convert.latents import describe_run, fill_flex_set, latents_by_id
from gmmflex.convert.poses import fill_refined
from gmmflex.engine.io.star import read_star
from gmmflex.engine.settings.poses import PosesSettings
from gmmflex.protocols.forms.shared_form import define_analysis, define_seed
from gmmflex.protocols.steps.engine_job import RunsEngine
from gmmflex.protocols.steps.setting_params import number
from gmmflex.protocols.steps.step_keys import as_text, input_key
from gmmflex.results.finished_analysis import NOT_FINISHED, config_of, finished_run_folder


class PosesOutputs(Enum):
    outputParticles = SetOfParticles
    outputAnalysis = SetOfParticlesFlex


class ProtGmmflexPoses(RunsEngine, EMProtocol, ProtFlexBase):
    """Refine the orientation and the origin of every particle against its own state.

    A consensus refinement aligns particles to one map that fits none of them. Here each particle
    is compared with the mixture that its own latent decodes to. Poses that explain held-out
    particles no better are left as they were.
    """

    _label = "refine poses"
    _devStatus = BETA
    _possibleOutputs = PosesOutputs

    # --------------------------- form ---------------------------------------
    def _defineParams(self, form):
        self._defineGpuParams(form)
        form.addSection(label="Input")
        define_analysis(form)
        group = form.addGroup("Poses")
        group.addParam(
            "rounds",
            IntParam,
            label="Rounds of analysis",
            **number(PosesSettings, "rounds"),
        )
        line = group.addLine(
            "How far poses may be off",
            help="To begin with; how far they are is then learnt from the particles.",
        )
        line.addParam(
            "angle",
            FloatParam,
            label="orientation (°)",
            **number(PosesSettings, "angle_deg"),
        )
        line.addParam(
            "shift",
            FloatParam,
            label="origin (Å)",
            **number(PosesSettings, "shift_A"),
        )
        group.addParam(
            "memoryLimit",
            FloatParam,
            expertLevel=LEVEL_ADVANCED,
            label="Images in memory (GB)",
            **number(PosesSettings, "memory_limit_GB"),
        )
        define_seed(group, PosesSettings, "The same seed gives the same poses.")
        form.addParallelSection(threads=4, mpi=0)

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        settings = as_text(
            analysis=input_key(self.inputAnalysis),
            rounds=self.rounds.get(),
            angle=self.angle.get(),
            shift=self.shift.get(),
            seed=self.seed.get(),
        )
        self._insertFunctionStep(self.refineStep, settings, needsGPU=True)
        self._insertFunctionStep(self.createOutputStep, settings, needsGPU=False)

    def refineStep(self, settings):
        folder = self.getRunFolder()
        self._prepareRunFolder(folder, settings)
        arguments = [self._analysisFolder(), "--output", folder, "--rounds", self.rounds.get()]
        arguments += ["--angle", self.angle.get(), "--shift", self.shift.get()]
        arguments += ["--memory-limit", self.memoryLimit.get(), "--seed", self.seed.get()]
        arguments += self._deviceArguments()
        self._runEngine("poses", arguments, os.path.join(folder, SUMMARY_FILE))

    def createOutputStep(self, settings):
        refined = self._createSetOfParticles()
        tables = read_star(os.path.join(self.getRunFolder(), REFINED_STAR_FILE))
        fill_refined(refined, self.inputAnalysis.get(), tables)
        outputs = {PosesOutputs.outputParticles.name: refined}
        last = self._lastRun()
        if last != self._analysisFolder():
            outputs[PosesOutputs.outputAnalysis.name] = self._analysed(refined, last)
        self._defineOutputs(**outputs)
        for output in outputs.values():
            self._defineTransformRelation(self.inputAnalysis, output)

    # --------------------------- what people read ---------------------------
    def _validate(self):
        if self.inputAnalysis.get() is None:
            return []
        folder = self._analysisFolder()
        if folder is None:
            return [NOT_FINISHED]
        symmetry = config_of(folder).get("symmetry") or "C1"
        if symmetry != "C1":
            return [
                f"The analysis has symmetry {symmetry}, so each image shows several units in "
                "states of their own: refine poses with an analysis in C1."
            ]
        return []

    def _summary(self):
        summary = self._summaryOf(self.getRunFolder())
        if not summary or not hasattr(self, PosesOutputs.outputParticles.name):
            return ["The poses are not refined yet."]
        kept = [step for step in summary["refinements"] if step["kept"]]
        last = (kept or summary["refinements"])[-1]["held_out"]
        scores = f"held-out score {last['before']:.4f} → {last['after']:.4f}"
        if not summary["refined"]:
            return [
                f"Poses were *left as they were*: refined ones explain held-out particles no "
                f"better ({scores}, standard error {last['standard_error']:.4f})."
            ]
        lines = [
            f"Orientations changed by *{summary['median_angle_change_deg']:.2f}°* and origins by "
            f"*{summary['median_shift_change_A']:.2f} Å* (medians of {summary['particles']:,} "
            "particles)."
        ]
        rounds = len(summary["refinements"]) - 1
        if rounds:
            lines.append(f"The analysis was repeated {rounds} time{'s' if rounds > 1 else ''}.")
        return [*lines, f"The refinement that was kept: {scores}."]

    def _methods(self):
        summary = self._summaryOf(self.getRunFolder())
        if not summary or not summary["refined"]:
            return []
        return [
            "Orientations and origins were refined against each particle's own decoded mixture; "
            f"they changed by {summary['median_angle_change_deg']:.2f}° and "
            f"{summary['median_shift_change_A']:.2f} Å (medians) [Chen2021]."
        ]

    def _citations(self):
        return ["Chen2021"]

    # --------------------------- details ------------------------------------
    def getRunFolder(self):
        """The engine's run folder, relative to the project."""
        # Apart, so that Continue without rounds leaves the output of earlier ones its files.
        return self._getExtraPath("poses_and_rounds" if self.rounds.get() else "poses")

    def _analysisFolder(self):
        return finished_run_folder(self.inputAnalysis.get())

    def _lastRun(self):
        """Folder of the last analysis: the given one, or that of the last round."""
        return self._summaryOf(self.getRunFolder())["refinements"][-1]["run"]

    def _analysed(self, refined, folder):
        """The particles with the latents of a round."""
        star = os.path.join(folder, LATENTS_STAR_FILE)
        latents = latents_by_id(read_star(star), star)
        output = self._createSetOfParticlesFlex()
        fill_flex_set(output, refined, latents)
        neutral_file = os.path.join(config_of(folder)["neutral"], NEUTRAL_MODEL_FILE)
        describe_run(output, folder, neutral_file, latents.dimensions)
        return output
