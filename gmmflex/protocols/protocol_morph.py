"""Protocol "morph model": the fitted model, moved into the states that an analysis found."""

import os
from enum import Enum
from pathlib import Path

from pwem.objects import AtomStruct, SetOfAtomStructs
from pwem.protocols import EMProtocol
from pyworkflow import BETA
from pyworkflow.object import String

from gmmflex.constants import (
    DISPLACEMENTS_FILE,
    MORPH_FILE,
    SUMMARY_FILE,
)
from gmmflex.protocols.forms.morph_form import define_parameters
from gmmflex.protocols.steps.engine_job import RunsEngine
from gmmflex.protocols.steps.states_of_model import MovesModel
from gmmflex.protocols.steps.step_keys import as_text, input_key
from gmmflex.results.chimerax_script import trajectory_script
from gmmflex.results.displacements import chimerax_attributes, read_displacements
from gmmflex.results.finished_analysis import finished_run_folder
from gmmflex.results.model_states import write_states

TRAJECTORY_SCRIPT = "trajectory.cxc"


class MorphOutputs(Enum):
    outputModels = SetOfAtomStructs
    outputTrajectory = AtomStruct


class ProtGmmflexMorph(MovesModel, RunsEngine, EMProtocol):
    """Move a fitted model with the Gaussians, into states that an analysis found.

    Every atom follows the Gaussians around it, so that the model comes out whole: chains,
    ligands, sequence and B factors are kept. States are taken along a principal component of the
    latent space, along a trajectory of a landscape, or one for each group of particles. How far
    each residue moves is written as a table.
    """

    _label = "morph model"
    _devStatus = BETA
    _possibleOutputs = MorphOutputs

    # --------------------------- form ---------------------------------------
    def _defineParams(self, form):
        define_parameters(form)

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        model = as_text(model=input_key(self.inputModel), analysis=input_key(self.inputAnalysis))
        settings = as_text(model=model, **self._stateSettings())
        self._insertFunctionStep(self.convertModelStep, model, needsGPU=False)
        self._insertFunctionStep(self.morphStep, settings, needsGPU=False)
        self._insertFunctionStep(self.createOutputStep, settings, needsGPU=False)

    def morphStep(self, settings):
        self._prepareRunFolder(self.getRunFolder(), settings)
        self._runEngine(
            "morph",
            self._engineArguments(),
            os.path.join(self.getRunFolder(), SUMMARY_FILE),
        )

    def createOutputStep(self, settings):
        morph = os.path.join(self.getRunFolder(), MORPH_FILE)
        attributes = Path(self._getExtraPath("displacement.defattr"))
        table = read_displacements(self.getDisplacementsFile())
        attributes.write_text(chimerax_attributes(table, "#2"), encoding="utf-8")
        script = Path(self._getExtraPath(TRAJECTORY_SCRIPT))
        text = trajectory_script(morph, str(attributes), self._mixtureMap())
        script.write_text(text, encoding="utf-8")
        trajectory = AtomStruct(filename=morph)
        trajectory._chimeraScript = String(str(script))  # what Scipion's ChimeraX viewer opens

        models = SetOfAtomStructs.create(self._getPath())
        for number, path in enumerate(write_states(morph, self._getExtraPath("states")), start=1):
            model = AtomStruct(filename=path)
            model.setObjLabel(f"state {number}")
            models.append(model)
        self._defineOutputs(
            **{
                MorphOutputs.outputModels.name: models,
                MorphOutputs.outputTrajectory.name: trajectory,
            }
        )
        for output in (models, trajectory):
            self._defineSourceRelation(self.inputModel, output)
            self._defineSourceRelation(self.inputAnalysis, output)

    # --------------------------- what people read ---------------------------
    def _validate(self):
        return self._analysisFaults()

    def _summary(self):
        summary = self._summaryOf(self.getRunFolder())
        models = getattr(self, MorphOutputs.outputModels.name, None)
        if not summary or models is None:
            return ["The models are not made yet."]
        lines = [f"*{models.getSize()} models*{self._statesText()}."]
        return lines + morph_lines(summary)

    def _methods(self):
        models = getattr(self, MorphOutputs.outputModels.name, None)
        if models is None:
            return []
        return [
            f"The fitted model was morphed into {models.getSize()} states{self._statesText()} by "
            "carrying the motion of the Gaussians over to its atoms [Chen2023]."
        ]

    def _citations(self):
        return ["Chen2023"]

    # --------------------------- details ------------------------------------
    def getRunFolder(self):
        """The engine's run folder, relative to the project."""
        return self._getExtraPath("morph")

    def getTrajectoryScript(self):
        """ChimeraX commands that show the models as a movie."""
        return self._getExtraPath(TRAJECTORY_SCRIPT)

    def getDisplacementsFile(self):
        """Table of how far each residue moves."""
        return os.path.join(self.getRunFolder(), DISPLACEMENTS_FILE)

    def _engineArguments(self):
        arguments = [finished_run_folder(self.inputAnalysis.get()), "--output", self.getRunFolder()]
        arguments += ["--model", self._modelPath(), "--threads", self.numberOfThreads.get()]
        return [*arguments, *self._stateArguments()]


def morph_lines(summary: dict) -> list[str]:
    """What the engine's summary.json reports about a morph."""
    moved = summary["displacement"]
    lines = [
        f"Atoms move by *{moved['rms_A']:.2f} Å* RMS from the fitted model, at most by "
        f"{moved['maximum_A']:.2f} Å."
    ]
    bonds = summary["bonds"]["covalent"]
    if bonds["bonds"]:
        lines.append(f"Covalent bonds change their lengths by {bonds['change_rms_A']:.3f} Å RMS.")
    return lines
