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

CONTRAST_CHOICES = ["auto", "no (white particles)", "yes (dark particles)"]


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
        help="The particles of an analysis that has finished: training starts from the networks "
        "that it learnt. Everything else may differ: a subset of the particles, a mask, a finer "
        "resolution, another decoder, the symmetry. Its latents are taken over in any case, its "
        "decoders where mixture and kind are the same.",
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
        default=4,
        validators=[GE(1, "The latent space has at least 1 dimension.")],
        label="Latent dimensions",
        help="How many numbers describe the state of a particle. 4 suits most molecules; 2 for one "
        "simple motion, up to 10 for many independent ones. Not the number of motions: one "
        "motion may bend through several dimensions.",
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
        help="Only Gaussians inside this mask may change; the others keep the molecule at rest in "
        "place. Useful to look at one domain or ligand at a time. Empty: everything may "
        "change.",
    )


def define_smoothing(group):
    """How far neighbours drag each other along."""
    group.addParam(
        "smoothing",
        FloatParam,
        default=0.0,
        expertLevel=LEVEL_ADVANCED,
        validators=[GE(0.0, "Give 0 for automatic, or a distance in Å.")],
        label="Neighbours move alike within (Å, 0 = automatic)",
        help="Gaussians nearer to each other than about this distance move in the same way, as "
        "connected parts do. 0: three quarters of the resolution. Larger looks for "
        "motions of whole domains, smaller for local ones.",
    )


def define_symmetry(group):
    """Symmetry that the refinement imposed."""
    group.addParam(
        "symmetry",
        StringParam,
        default="C1",
        expertLevel=LEVEL_ADVANCED,
        label="Symmetry group",
        help="The symmetry of the refinement in RELION's notation: C1, C3, D2, T, O, I1 … Every "
        "particle is then analysed once for each asymmetric unit: one unit varies, and each copy "
        "of it gets a latent of its own. C1: the molecule is analysed as a whole, which also "
        "finds motions that break the symmetry.",
    )


def define_resolution(form):
    """How finely particles and mixture are compared."""
    group = form.addGroup("Resolution")
    group.addParam(
        "resolution",
        FloatParam,
        default=0.0,
        validators=[GE(0.0, "Give 0 for automatic, or a resolution in Å.")],
        label="Resolution (Å, 0 = automatic)",
        help="Particles and mixture are compared up to this resolution. 0: the resolution of the "
        "neutral mixture. Coarser (10 to 15 Å) is faster and more robust with noisy images.",
    )
    group.addParam(
        "firstResolution",
        FloatParam,
        default=0.0,
        expertLevel=LEVEL_ADVANCED,
        validators=[GE(0.0, "Give 0 for automatic, or a resolution in Å.")],
        label="First resolution (Å, 0 = automatic)",
        help="Training starts at this coarser resolution, so that large motions are found before "
        "small ones.",
    )


def define_learning(form):
    """How long is learnt, in how many processes, and with which seed."""
    group = form.addGroup("Learning")
    group.addParam(
        "epochs",
        IntParam,
        default=0,
        validators=[GE(0, "Give 0 for automatic, or a number of epochs.")],
        label="Epochs (0 = automatic)",
        help="How many times all particles are seen at most; training stops earlier when it no "
        "longer improves. 0: the engine's own limit.",
    )
    group.addParam(
        "batchSize",
        IntParam,
        default=0,
        expertLevel=LEVEL_ADVANCED,
        validators=[GE(0, "Give 0 for automatic, or a number of particles.")],
        label="Particles per batch (0 = automatic)",
        help="How many particles a step learns from; 0: 64. Memory does not limit it: if it is "
        "short, a batch is worked on in pieces, with the same result.",
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
        choices=CONTRAST_CHOICES,
        default=0,
        expertLevel=LEVEL_ADVANCED,
        label="Invert contrast",
        help="RELION and cryoSPARC keep particles white on dark. *auto* finds out by comparing "
        "images with projections of the mixture.",
    )
    define_seed(
        group,
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


def define_seed(group, what_for):
    """Seed of everything random; what_for: the help."""
    group.addParam(
        "seed",
        IntParam,
        default=1,
        expertLevel=LEVEL_ADVANCED,
        validators=[GE(0, "A seed is 0 or larger.")],
        label="Random seed",
        help=what_for,
    )


def define_anchors(group, label="Anchors (coarse to fine)", condition="True"):
    """How many anchors carry the Gaussians."""
    group.addParam(
        "anchors",
        StringParam,
        default="32",
        condition=condition,
        label=label,
        help="How many anchors are spread over the molecule, or over the part inside the mask. "
        "Gaussians follow the anchors around them, so fewer anchors mean smoother, larger motions. "
        "32 suits domains of most molecules. Several numbers, such as '32, 128', make several "
        "levels, coarse to fine, whose motions add up.",
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
