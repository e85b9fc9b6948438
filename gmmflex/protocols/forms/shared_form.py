"""Sections that the forms of all analyses share, written for people who know their molecule."""

from pyworkflow.protocol import LEVEL_ADVANCED
from pyworkflow.protocol.params import (
    GE,
    BooleanParam,
    EnumParam,
    FloatParam,
    IntParam,
    PathParam,
    PointerParam,
    StringParam,
)

from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.protocols.steps.setting_params import (
    automatic_number,
    choice,
    file,
    number,
    plain,
)

CONTRASTS = {"auto": "auto", "no": "no (white particles)", "yes": "yes (dark particles)"}


def define_particles(form):
    """Particles and the mixture whose Gaussians are moved."""
    form.addParam(
        "inputParticles",
        PointerParam,
        pointerClass="SetOfParticles",
        pointerCondition="hasAlignmentProj",
        important=True,
        label="Particles",
        help="Refined particles with orientations and CTF: the result of a 3-D refinement in "
        "RELION, cryoSPARC or any other program. 'import particles (star, cs)' brings them into "
        "the project with every optics group. Images of 64 to 160 px are enough for motions of "
        "domains and much faster than full-size ones.",
    )
    form.addParam(
        "inputGaussians",
        PointerParam,
        pointerClass="GaussianModel",
        important=True,
        label="Neutral mixture",
        help="The Gaussians that will be moved: the output of 'build neutral GMM', made from the "
        "map of the same refinement.",
    )


def define_original_file(form):
    """Where optics that were lost on the way into the project still stand."""
    form.addParam(
        "originalFile",
        PathParam,
        allowsNull=True,
        label="Original star or cs file (optional)",
        help="Scipion's RELION import keeps one voltage, one spherical aberration and one "
        "amplitude contrast for all particles. If the particles came from several optics groups, "
        "give the file they were imported from: optics groups, CTF and half sets come from "
        "it, image by image; orientations stay those of the input particles. Not needed after "
        "'import particles (star, cs)'.",
    )


def define_start(form):
    """An earlier analysis that training starts from."""
    form.addParam(
        "startFrom",
        PointerParam,
        pointerClass="SetOfParticlesFlex",
        allowsNull=True,
        label="Start from a finished analysis (optional)",
        **file(HeterogeneitySettings, "start_from"),
    )


def define_fitted_model(form, purpose, empty="the model that the neutral mixture was built from"):
    """The atomic model; purpose: the sentence that says what it is for; empty: without one."""
    form.addParam(
        "inputModel",
        PointerParam,
        pointerClass="AtomStruct",
        allowsNull=True,
        label="Fitted atomic model (optional)",
        help=f"A PDB or mmCIF model fitted into the consensus map. {purpose} Empty: {empty}.",
    )


def define_latent_dimension(group):
    """Size of the latent space."""
    group.addParam(
        "latentDimension",
        IntParam,
        label="Latent dimensions",
        **number(HeterogeneitySettings, "latent_dim"),
    )


def define_varied(group):
    """Which properties of the Gaussians may change, and where."""
    group.addParam(
        "varyPositions",
        BooleanParam,
        default=True,
        label="Positions (motion)",
        help="Gaussians may move: conformational change.",
    )
    group.addParam(
        "varyAmplitudes",
        BooleanParam,
        default=False,
        label="Amplitudes (composition)",
        help="Gaussians may appear and fade: subunits, ligands or partners that are there in some "
        "particles only.",
    )
    group.addParam(
        "varyWidths",
        BooleanParam,
        default=False,
        expertLevel=LEVEL_ADVANCED,
        label="Widths (local order)",
        help="Gaussians may become wider or narrower: parts that are well ordered in some "
        "particles only. Seldom needed.",
    )
    group.addParam(
        "inputMask",
        PointerParam,
        pointerClass="VolumeMask",
        allowsNull=True,
        label="Mask of the part that may change (optional)",
        **file(HeterogeneitySettings, "mask"),
    )


def define_smoothing(group):
    """How far neighbours drag each other along."""
    group.addParam(
        "smoothing",
        FloatParam,
        expertLevel=LEVEL_ADVANCED,
        label="Neighbours move alike within (Å, 0 = automatic)",
        **number(HeterogeneitySettings, "smoothing_A"),
    )


def define_symmetry(group):
    """Symmetry that the refinement imposed."""
    group.addParam(
        "symmetry",
        StringParam,
        expertLevel=LEVEL_ADVANCED,
        label="Symmetry group",
        **plain(HeterogeneitySettings, "symmetry"),
    )


def define_resolution(form):
    """How finely particles and mixture are compared."""
    group = form.addGroup("Resolution")
    group.addParam(
        "resolution",
        FloatParam,
        label="Resolution (Å, 0 = automatic)",
        **number(HeterogeneitySettings, "resolution_A"),
    )
    group.addParam(
        "firstResolution",
        FloatParam,
        expertLevel=LEVEL_ADVANCED,
        label="First resolution (Å, 0 = automatic)",
        **number(HeterogeneitySettings, "first_resolution_A"),
    )


def define_learning(form):
    """How long is learnt, in how many processes, and with which seed."""
    group = form.addGroup("Learning")
    group.addParam(
        "epochs",
        IntParam,
        label="Epochs (0 = automatic)",
        **automatic_number(HeterogeneitySettings, "epochs"),
    )
    group.addParam(
        "batchSize",
        IntParam,
        expertLevel=LEVEL_ADVANCED,
        label="Particles per batch (0 = automatic)",
        **automatic_number(HeterogeneitySettings, "batch_size"),
    )
    group.addParam(
        "processes",
        IntParam,
        default=0,
        expertLevel=LEVEL_ADVANCED,
        validators=[GE(0, "Give 0 for automatic, or a number of processes.")],
        label="Processes (0 = one for each GPU)",
        help="How many processes train together, each on its part of every batch; they share the "
        "threads. 0: one for each GPU in the list, and one where no GPU is used. The result does "
        "not depend on it.",
    )
    group.addParam(
        "contrast",
        EnumParam,
        expertLevel=LEVEL_ADVANCED,
        label="Invert contrast",
        **choice(HeterogeneitySettings, "invert_contrast", CONTRASTS),
    )
    define_seed(
        group,
        HeterogeneitySettings,
        "The same seed gives the same result on the same machine. A motion that appears with "
        "every seed deserves more trust.",
    )


def define_analysis(form, more=""):
    """The particles of a finished analysis; more: added to the help."""
    form.addParam(
        "inputAnalysis",
        PointerParam,
        pointerClass="SetOfParticlesFlex",
        important=True,
        label="Analysed particles",
        help="The output of any analysis of GMMFlex that has finished." + more,
    )


def define_seed(group, settings, what_for):
    """Seed of everything random; settings: of the command; what_for: the help."""
    group.addParam(
        "seed",
        IntParam,
        expertLevel=LEVEL_ADVANCED,
        label="Random seed",
        **{**number(settings, "seed"), "help": what_for},
    )


def define_anchors(group, label="Anchors (coarse to fine)", condition="True"):
    """How many anchors carry the Gaussians."""
    group.addParam(
        "anchors",
        StringParam,
        condition=condition,
        label=label,
        **plain(HeterogeneitySettings, "anchors"),
    )


def define_training_of_parts(form):
    """What follows the parts of a molecule, where each part says itself what it may change."""
    group = form.addGroup("What may change")
    define_latent_dimension(group)
    define_symmetry(group)
    define_training(form)


def define_training(form):
    """The last section of every analysis."""
    form.addSection(label="Training")
    define_resolution(form)
    define_learning(form)
    form.addParallelSection(threads=4, mpi=0)
