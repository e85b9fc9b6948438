"""The form of "morph model", written for people who know their molecule."""

from pyworkflow.protocol.params import PointerParam

from gmmflex.engine.settings.morph import MorphSettings
from gmmflex.protocols.forms.shared_form import define_analysis
from gmmflex.protocols.steps.states_form import define_states


def define_parameters(form):
    """Add every parameter."""
    form.addSection(label="Input")
    define_analysis(form)
    form.addParam(
        "inputModel",
        PointerParam,
        pointerClass="AtomStruct",
        important=True,
        label="Fitted atomic model",
        help="A PDB or mmCIF model fitted into the consensus map: the one that the mixture was "
        "built from, or any other, with all its atoms and ligands.",
    )
    define_states(form.addGroup("States"), MorphSettings)
    form.addParallelSection(threads=1, mpi=0)
