"""The form of "maps of states", written for people who know their molecule."""

from pyworkflow.protocol.constants import LEVEL_ADVANCED
from pyworkflow.protocol.params import GE, BooleanParam, EnumParam, IntParam

from gmmflex.protocols.forms.shared_form import define_analysis
from gmmflex.protocols.steps.map_making import define_mask
from gmmflex.protocols.steps.states_form import (
    ALONG_COMPONENT,
    GROUPS_OF_PARTICLES,
    TRAJECTORY,
    define_groups,
    define_landscape,
    define_trajectory,
)

CLUSTERS, MOTION_UNDONE = TRAJECTORY + 1, TRAJECTORY + 2
_AT_POINTS = f"states in ({ALONG_COMPONENT}, {GROUPS_OF_PARTICLES}, {TRAJECTORY})"


def define_parameters(form):
    """Add every parameter but those of the GPU."""
    form.addSection(label="Input")
    define_analysis(form, " All its particles are used, also if a subset is given.")
    group = form.addGroup("Maps")
    group.addParam(
        "states",
        EnumParam,
        choices=[
            "five states along the first principal component",
            "states of groups of particles",
            "states along a trajectory of a landscape",
            "the groups of a landscape",
            "one map of all particles, their motion undone",
        ],
        default=ALONG_COMPONENT,
        display=EnumParam.DISPLAY_COMBO,
        label="Maps of",
        help="*five states along the first principal component*: from one end of the particles to "
        "the other.\n"
        "*states of groups of particles*: one map for each set of particles chosen from the "
        "analysed ones, around the state that is most typical of it.\n"
        "*states along a trajectory of a landscape*: one map for each of its latents.\n"
        "*the groups of a landscape*: one map from exactly the particles of each group.\n"
        "*one map of all particles, their motion undone*: each particle's motion is taken back "
        "before it is added, so that moving parts are less smeared than in the consensus; beside "
        "it the consensus as it is.",
    )
    define_groups(group, f"states == {GROUPS_OF_PARTICLES}")
    define_landscape(group, f"states in ({TRAJECTORY}, {CLUSTERS})")
    define_trajectory(group, f"states == {TRAJECTORY}")
    group.addParam(
        "nearest",
        IntParam,
        default=0,
        condition=_AT_POINTS,
        validators=[GE(0, "Give 0 for automatic, or a number of particles.")],
        label="Particles of each state (0 = automatic)",
        help="So many particles nearest to the state make its map. Fewer show the state more "
        "purely but with more noise. 0: a tenth of all, at least 500.",
    )
    group.addParam(
        "weighted",
        BooleanParam,
        default=False,
        condition=_AT_POINTS,
        expertLevel=LEVEL_ADVANCED,
        label="Weight particles by their distance?",
        help="Yes: all particles count, by a Gaussian of their distance from the state, so wide "
        "that noise is averaged out as by the number above. No: the nearest count, all alike.",
    )
    group.addParam(
        "motionGroups",
        IntParam,
        default=24,
        condition=f"states == {MOTION_UNDONE}",
        expertLevel=LEVEL_ADVANCED,
        validators=[GE(2, "Give at least 2 groups.")],
        label="Groups whose motion is undone alike",
        help="Particles are put into so many groups by their latents. More follow the motion more "
        "closely, and take longer.",
    )
    define_mask(group)
    form.addParallelSection(threads=2, mpi=0)
