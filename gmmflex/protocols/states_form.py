"""Parameters that say which states of an analysis are meant."""

from pyworkflow.protocol.params import MultiPointerParam, PointerParam, StringParam

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
