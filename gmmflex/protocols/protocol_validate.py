"""Protocol "validate": which motion is reproducible, and what noise alone would give."""

import os

from pwem.protocols import EMProtocol, ProtFlexBase
from pyworkflow import BETA
from pyworkflow.protocol.constants import LEVEL_ADVANCED
from pyworkflow.protocol.params import BooleanParam, IntParam

from gmmflex.constants import SUMMARY_FILE
from gmmflex.engine.settings.validate import ValidateSettings
from gmmflex.protocols.forms.shared_form import define_analysis, define_seed
from gmmflex.protocols.steps.engine_job import RunsEngine
from gmmflex.protocols.steps.setting_params import number
from gmmflex.protocols.steps.step_keys import as_text, input_key
from gmmflex.results.finished_analysis import NOT_FINISHED, finished_run_folder

# Parameter, and what the engine calls the check.
_CHECKS = (("halves", "halves"), ("withoutMotion", "null"), ("leakage", "leakage"))
_VERDICTS = {
    "moves": "Most of the motion is *reproducible*",
    "unsure": "*Only part* of the motion could be distinguished from noise",
    "may be noise": "Most of what looks like motion *may be noise*",
    "not tested": "Whether the motion is real was *not tested*",
}


class ProtGmmflexValidate(RunsEngine, EMProtocol, ProtFlexBase):
    """Test which motion of an analysis is reproducible, and which may be noise.

    The analysis is repeated from its start with each half set, and with simulated particles that
    do not move but have the poses, CTF and noise of the real ones. A report states for every
    Gaussian whether both half sets agree about its motion, and how much of it noise alone would
    give.
    """

    _label = "validate"
    _devStatus = BETA

    # --------------------------- form ---------------------------------------
    def _defineParams(self, form):
        self._defineGpuParams(form)
        form.addSection(label="Input")
        define_analysis(form)
        group = form.addGroup("Checks")
        group.addParam(
            "halves",
            BooleanParam,
            default=True,
            label="Two half sets",
            help="The analysis is repeated with each half set, from its start. Where both find "
            "the same motion in particles that the other never saw, it is there. Takes about as "
            "long as the analysis.",
        )
        group.addParam(
            "withoutMotion",
            BooleanParam,
            default=True,
            label="Particles without motion",
            help="Particles that all show one state, with the poses, CTF and noise of the real "
            "ones, are simulated and analysed. What is found in them is what noise alone gives. "
            "Takes about as long as the analysis.",
        )
        group.addParam(
            "nullParticles",
            IntParam,
            expertLevel=LEVEL_ADVANCED,
            condition="withoutMotion",
            label="Particles to simulate at most",
            **number(ValidateSettings, "null_particles"),
        )
        group.addParam(
            "leakage",
            BooleanParam,
            default=True,
            label="Do latents depend on the imaging?",
            help="Whether the latents go with viewing direction, defocus or shift, which they "
            "should not. Takes seconds.",
        )
        define_seed(
            group, ValidateSettings, "The same seed gives the same particles without motion."
        )
        form.addParallelSection(threads=4, mpi=0)

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        settings = as_text(
            analysis=input_key(self.inputAnalysis),
            checks=self._checks(),
            particles=self.nullParticles.get(),
            seed=self.seed.get(),
        )
        self._insertFunctionStep(self.validateStep, settings, needsGPU=True)

    def validateStep(self, settings):
        folder = self.getRunFolder()
        self._prepareRunFolder(folder, settings)
        arguments = [finished_run_folder(self.inputAnalysis.get()), "--output", folder]
        for check in self._checks():
            arguments += ["--check", check]
        arguments += ["--null-particles", self.nullParticles.get(), "--seed", self.seed.get()]
        arguments += self._deviceArguments()
        self._runEngine("validate", arguments, os.path.join(folder, SUMMARY_FILE))

    # --------------------------- what people read ---------------------------
    def _validate(self):
        faults = [] if self._checks() else ["No check is chosen: switch at least one on."]
        analysis = self.inputAnalysis.get()
        if analysis is not None and finished_run_folder(analysis) is None:
            faults.append(NOT_FINISHED)
        return faults

    def _summary(self):
        summary = self._summaryOf(self.getRunFolder())
        if not summary:
            return ["The analysis is not validated yet."]
        lines = [f"{_VERDICTS[summary['verdict']]}{self._inNumbers(summary)}."]
        halves = summary["half_sets"]
        if halves is not None:
            lines.append(
                f"Half sets agree about it by *{halves['agreement_of_motion']:.2f}* (two halves of "
                f"an image within one analysis by {halves['agreement_within_one_analysis']:.2f})."
            )
        for leak in summary["leaks"]:
            lines.append(
                f"Component {leak['component']} of the latents goes with {leak['property']} "
                f"(correlation {leak['correlation']:.2f})."
            )
        return lines

    def _methods(self):
        summary = self._summaryOf(self.getRunFolder())
        if not summary:
            return []
        lines = []
        if summary["half_sets"] is not None:
            lines.append(
                "Half sets were analysed independently; their motions correlate by "
                f"{summary['half_sets']['agreement_of_motion']:.2f} [Chen2021]."
            )
        if summary["rms_displacement_without_motion_A"] is not None:
            lines.append(
                "Of the motion found, of "
                f"{summary['rms_displacement_A']:.2f} Å RMS, the same analysis finds "
                f"{summary['rms_displacement_without_motion_A']:.2f} Å in simulated particles "
                "without motion."
            )
        return lines

    def _citations(self):
        return ["Chen2021"]

    # --------------------------- details ------------------------------------
    def getRunFolder(self):
        """The engine's run folder, relative to the project."""
        return self._getExtraPath("validation")

    def _checks(self):
        return [name for parameter, name in _CHECKS if getattr(self, parameter).get()]

    @staticmethod
    def _inNumbers(summary):
        noise_A = summary["rms_displacement_without_motion_A"]
        without = "" if noise_A is None else f"; particles without motion show {noise_A:.2f} Å"
        return f" ({summary['rms_displacement_A']:.2f} Å RMS{without})"
