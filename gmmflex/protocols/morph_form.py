"""The form of "morph model", written for people who know their molecule."""

from pyworkflow.protocol.params import GE, EnumParam, IntParam, PointerParam

from gmmflex.protocols.shared_form import define_analysis
from gmmflex.protocols.states_form import (
    ALONG_COMPONENT,
    GROUPS_OF_PARTICLES,
    TRAJECTORY,
    define_groups,
    define_landscape,
    define_trajectory,
)


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
    group = form.addGroup("States")
    group.addParam(
        "states",
        EnumParam,
        choices=[
            "along a principal component",
            "of groups of particles",
            "along a trajectory of a landscape",
        ],
        default=ALONG_COMPONENT,
        display=EnumParam.DISPLAY_COMBO,
        label="States",
        help="*along a principal component*: a movie along one direction of the latent space.\n"
        "*of groups of particles*: one model for each set of particles that was chosen from "
        "the analysed ones, in the state that is most typical of it.\n"
        "*along a trajectory of a landscape*: a movie along a way through the states that "
        "'landscape' found.",
    )
    group.addParam(
        "component",
        IntParam,
        default=1,
        condition=f"states == {ALONG_COMPONENT}",
        validators=[GE(1, "Components are counted from 1.")],
        label="Principal component",
        help="1 is the direction along which the particles spread most.",
    )
    group.addParam(
        "frames",
        IntParam,
        default=10,
        condition=f"states == {ALONG_COMPONENT}",
        validators=[GE(2, "A movie has at least 2 frames.")],
        label="Number of models",
        help="Models along the component, from one end of the particles to the other.",
    )
    define_groups(group, f"states == {GROUPS_OF_PARTICLES}")
    define_landscape(group, f"states == {TRAJECTORY}")
    define_trajectory(group, f"states == {TRAJECTORY}")
    form.addParallelSection(threads=1, mpi=0)
