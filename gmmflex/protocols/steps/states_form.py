"""Parameters that say which states of an analysis are meant."""

from pyworkflow.protocol.params import (
    EnumParam,
    IntParam,
    MultiPointerParam,
    PointerParam,
    StringParam,
)

from gmmflex.protocols.steps.setting_params import number

ALONG_COMPONENT, GROUPS_OF_PARTICLES, TRAJECTORY = range(3)


def define_groups(group, condition):
    """Particles whose typical states are meant."""
    group.addParam(
        "groups",
        MultiPointerParam,
        pointerClass="SetOfParticlesFlex",
        allowsNull=True,
        minNumObjects=0,
        condition=condition,
        label="Groups of particles",
        help="Subsets of the analysed particles, for example clusters or a region that was "
        "drawn in the latent space.",
    )


def define_landscape(group, condition):
    """The landscape that states are taken from."""
    group.addParam(
        "landscape",
        PointerParam,
        pointerClass="ProtGmmflexLandscape",
        allowsNull=True,
        condition=condition,
        label="Landscape",
        help="A finished run of 'landscape' of the same analysis.",
    )


def define_trajectory(group, condition):
    """Which trajectory of the landscape."""
    group.addParam(
        "trajectory",
        StringParam,
        default="component_1",
        condition=condition,
        label="Trajectory",
        help="One of the landscape's trajectories; the wand lists them. *component_1* goes along "
        "the first principal component, *path_c1_c3* through populated places from group 1 to "
        "group 3. The report of the landscape shows them.",
    )


def define_states(group, settings):
    """The choice between a component, groups and a trajectory; settings: of morph or movie."""
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
        "*of groups of particles*: one state for each set of particles that was chosen from "
        "the analysed ones, the one that is most typical of it.\n"
        "*along a trajectory of a landscape*: a movie along a path through the states that "
        "'landscape' found.",
    )
    group.addParam(
        "component",
        IntParam,
        condition=f"states == {ALONG_COMPONENT}",
        label="Principal component",
        **number(settings, "component"),
    )
    group.addParam(
        "frames",
        IntParam,
        condition=f"states == {ALONG_COMPONENT}",
        label="Number of states",
        **number(settings, "frames"),
    )
    define_groups(group, f"states == {GROUPS_OF_PARTICLES}")
    define_landscape(group, f"states == {TRAJECTORY}")
    define_trajectory(group, f"states == {TRAJECTORY}")
