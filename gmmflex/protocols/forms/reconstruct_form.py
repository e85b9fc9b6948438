"""The form of "maps of states", written for people who know their molecule."""

from pyworkflow.protocol.constants import LEVEL_ADVANCED
from pyworkflow.protocol.params import BooleanParam, EnumParam, IntParam

from gmmflex.engine.settings.reconstruct import ReconstructSettings
from gmmflex.protocols.forms.shared_form import define_analysis
from gmmflex.protocols.steps.map_making import define_mask
from gmmflex.protocols.steps.setting_params import number, plain
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
        condition=_AT_POINTS,
        label="Particles of each state (0 = automatic)",
        **number(ReconstructSettings, "nearest"),
    )
    group.addParam(
        "weighted",
        BooleanParam,
        condition=_AT_POINTS,
        expertLevel=LEVEL_ADVANCED,
        label="Weigh particles by their distance?",
        **plain(ReconstructSettings, "weighted"),
    )
    group.addParam(
        "motionGroups",
        IntParam,
        condition=f"states == {MOTION_UNDONE}",
        expertLevel=LEVEL_ADVANCED,
        label="Groups whose motion is undone alike",
        **number(ReconstructSettings, "groups"),
    )
    define_mask(group)
    form.addParallelSection(threads=2, mpi=0)
