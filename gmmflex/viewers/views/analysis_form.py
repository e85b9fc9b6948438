"""Lines of Analyze Results, in groups by what they are about."""

from pyworkflow.protocol.params import EnumParam, IntParam, LabelParam

PRINCIPAL, RAW = range(2)


def define_latent_space(group, dimensions):
    """What to draw of the latents, and how."""
    group.addParam(
        "coordinates",
        EnumParam,
        choices=["principal axes", "latent dimensions"],
        default=PRINCIPAL,
        display=EnumParam.DISPLAY_HLIST,
        label="Coordinates",
        help="*principal axes*: the directions along which the particles spread most, first "
        "the largest.\n*latent dimensions*: the numbers as the network gave them.",
    )
    line = group.addLine("Axes", help=f"Two numbers from 1 to {dimensions}.")
    line.addParam("xAxis", IntParam, default=1, label="x")
    line.addParam("yAxis", IntParam, default=min(2, dimensions), label="y")
    group.addParam(
        "showLatents",
        LabelParam,
        important=True,
        label="Particles in the latent space",
        help="One point for each particle, coloured by how many particles lie around it. "
        "Separate clouds are separate states; a band is a continuous motion.",
    )
    group.addParam(
        "showExplorer",
        LabelParam,
        important=True,
        label="Explore: colours and subsets",
        help="A window in which the particles are coloured by anything known of them (defocus, "
        "view, class, …), to see what a cloud comes from. Draw around some with the mouse to make "
        "a subset of them in the project.",
    )
    group.addParam(
        "showOverview",
        LabelParam,
        label="All pairs of axes",
        help="Every pair of the first five axes, with the distribution along each.",
    )


def define_motion(group, dimensions):
    """How the Gaussians move."""
    group.addParam(
        "component",
        IntParam,
        default=1,
        label="Principal component",
        help=f"A number from 1 to {dimensions}; along 1 the particles spread most.",
    )
    group.addParam(
        "showArrows",
        LabelParam,
        important=True,
        label="Motion as arrows",
        help="How each Gaussian moves from one end of the component to the other (means of the "
        "particles in the lowest and in the highest tenth). The picture can be turned.",
    )
    group.addParam(
        "showArrowsChimeraX",
        LabelParam,
        label="The arrows in ChimeraX",
        help="The same arrows at their true length over the map. Arrows shorter than 0.3 Å are "
        "left out.",
    )
    group.addParam(
        "showLengths",
        LabelParam,
        label="How far Gaussians move",
        help="Histogram of the lengths of the arrows.",
    )


def define_bodies(group):
    """How rigid bodies turn and shift."""
    group.addParam(
        "showBodies",
        LabelParam,
        important=True,
        label="Angles and shifts of each body",
        help="How the turn of each body about its main axis, and the shift of its centre, are "
        "spread over the particles; both from its mean pose.",
    )
    group.addParam(
        "showBodyTable",
        LabelParam,
        label="Table of bodies",
        help="Axis, range of angles and shifts, and how precise they are, for each body.",
    )


def define_coordination(group):
    """Whether regions move together."""
    group.addParam(
        "showCoordination",
        LabelParam,
        important=True,
        label="Do the regions move together?",
        help="Correlation of the main motions of every two regions over all particles, compared "
        "with what chance would give. p tests all their motions, also how each bends: a small p "
        "beside a correlation near zero means that they are related in another way than by "
        "growing together.",
    )
    group.addParam(
        "showCoordinationPicture",
        LabelParam,
        label="Both motions, particle by particle",
        help="How far each particle is along the motions of two regions, and the correlations "
        "that particles give whose motions were exchanged.",
    )


def define_run(group):
    """The training, and everything in tables."""
    group.addParam(
        "showTraining",
        LabelParam,
        label="Training curves",
        help="How well the projections of the moved mixture agree with the images. Both curves "
        "should rise and then stay level; if the one of the particles held out falls again, "
        "the network starts to learn noise.",
    )
    group.addParam(
        "showSummary", LabelParam, label="Summary table", help="All results of the run in numbers."
    )
    group.addParam(
        "showParticles",
        LabelParam,
        label="Table of particles",
        help="The particles with their images and latents.",
    )
