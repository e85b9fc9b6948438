"""Protocol "rigid-body analysis": named parts turn and shift as wholes."""

from pyworkflow.protocol import LEVEL_ADVANCED
from pyworkflow.protocol.params import FloatParam

from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.protocols.analysis_base import AnalysisProtocol
from gmmflex.protocols.forms.shared_form import (
    define_fitted_model,
    define_original_file,
    define_particles,
    define_start,
    define_training_of_parts,
)
from gmmflex.protocols.steps.analysis_texts import listed
from gmmflex.protocols.steps.engine_job import SEVERAL_GPUS
from gmmflex.protocols.steps.fitted_model import UsesFittedModel
from gmmflex.protocols.steps.parts_form import HOW_TO_WRITE, ReadsParts, define_parts
from gmmflex.protocols.steps.setting_params import number
from gmmflex.protocols.steps.step_keys import input_key


class ProtGmmflexRigidBodies(ReadsParts, UsesFittedModel, AnalysisProtocol):
    """Find how domains turn and shift as rigid bodies, in degrees and Å.

    Each body is named and given by residues of the fitted model or by a mask. For each particle
    it turns about its own centre and shifts as a whole; everything that belongs to no body stays
    where it is. Angles, axes and shifts are written for each particle.
    """

    _label = "rigid-body analysis"
    partsParameter = "bodies"

    def _defineParams(self, form):
        self._defineGpuParams(form, SEVERAL_GPUS)
        form.addSection(label="Input")
        define_particles(form)
        define_original_file(form)
        define_start(form)
        form.addSection(label="Bodies")
        define_fitted_model(form, "Its chains and residue numbers name the bodies.")
        define_parts(
            form,
            "bodies",
            "Bodies (NAME=WHERE)",
            "One body on each line, such as\n\nlid=A:120-160\nclamp=B\nfab=mask 1\n\n"
            f"WHERE is one of\n{HOW_TO_WRITE}",
        )
        form.addParam(
            "bodyEdge",
            FloatParam,
            expertLevel=LEVEL_ADVANCED,
            label="Soft edge (Å, 0 = hard)",
            **number(HeterogeneitySettings, "body_edge_A"),
        )
        define_training_of_parts(form)

    def _kindSettings(self):
        return {
            "bodies": [str(part) for part in self._parts()],
            "bodyEdge": self.bodyEdge.get(),
            "model": input_key(self.inputModel),
        }

    def _kindArguments(self):
        arguments = ["--decoder", "rigid", *self._modelArguments()]
        for part in self._parts():
            arguments += ["--body", f"{part.name}={self._placeOf(part)}"]
        if self.bodyEdge.get():
            arguments += ["--body-edge", self.bodyEdge.get()]
        return arguments

    def _kindFaults(self):
        return self._partFaults(1, "one body")

    def _whatMayChange(self):
        names = [part.name for part in self._parts()]
        if len(names) == 1:
            return f"the place of {names[0]} as a rigid body"
        return f"the places of {listed(names)} as rigid bodies"
