"""The form of "build neutral GMM", written for people who know their molecule."""

from pyworkflow.protocol import LEVEL_ADVANCED
from pyworkflow.protocol.params import (
    BooleanParam,
    EnumParam,
    FloatParam,
    IntParam,
    PointerParam,
)

from gmmflex.convert import map_frame
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.protocols.forms.shared_form import define_seed
from gmmflex.protocols.steps.setting_params import choice, number, plain, within

FROM_MAP, FROM_MODEL, FROM_BOTH = range(3)
MASK_AUTOMATIC, MASK_NONE, MASK_GIVEN = range(3)
ATOMS = {"ca": "Cα and P", "all": "all atoms"}
# "yes" is 1, as it was when this was a switch.
HOLD_AUTOMATIC, HOLD_YES, HOLD_NO = range(3)


def define_parameters(form):
    """Add every parameter but those of the GPU."""
    form.addSection(label="Input")
    _define_inputs(form)
    _define_mask(form)
    _define_mixture(form)
    form.addParallelSection(threads=4, mpi=0)


def _define_inputs(form):
    form.addParam(
        "source",
        EnumParam,
        label="Start from",
        choices=["map", "atomic model", "map and atomic model"],
        default=FROM_MAP,
        display=EnumParam.DISPLAY_HLIST,
        help="*map*: Gaussians are placed into the density. Nothing else is needed.\n"
        "*atomic model*: Gaussians stand at the atoms of a fitted model.\n"
        "*map and atomic model*: Gaussians stand at the atoms, and further ones are placed "
        "where the map shows density that the model does not explain (a nanodisc, glycans, a "
        "domain that was not built).",
    )
    form.addParam(
        "inputVolume",
        PointerParam,
        pointerClass="Volume",
        important=True,
        allowsNull=True,
        condition=f"source != {FROM_MODEL}",
        label="Consensus map",
        help="The map of the refinement that gave the particles their orientations, with the "
        "same box and pixel size as the particles. A map filtered to its resolution but not "
        "sharpened too much works best.",
    )
    form.addParam(
        "inputModel",
        PointerParam,
        pointerClass="AtomStruct",
        important=True,
        allowsNull=True,
        condition=f"source != {FROM_MAP}",
        label="Fitted atomic model",
        help="A PDB or mmCIF model that has been fitted into the map.",
    )
    form.addParam(
        "atoms",
        EnumParam,
        display=EnumParam.DISPLAY_HLIST,
        condition=f"source != {FROM_MAP}",
        label="Atoms that carry a Gaussian",
        **choice(NeutralSettings, "atoms", ATOMS),
    )
    form.addParam(
        "holdModel",
        EnumParam,
        choices=["automatic", "yes", "no"],
        default=HOLD_AUTOMATIC,
        display=EnumParam.DISPLAY_HLIST,
        condition=f"source == {FROM_BOTH}",
        label="Hold the Gaussians of the model",
        help="*yes*: the Gaussians stay as the model gives them and none are added. Best for the "
        "analysis of motion when the model is complete: the map is smeared where the molecule "
        "moves, and Gaussians that follow the smear show it in no state. The FSC with the map is "
        "lower then, and should be.\n*no*: they are only held near the model, and others are "
        "added where the map shows more.\n*automatic*: yes if the map has no more mass than the "
        "model accounts for; the summary reports what was found.",
    )
    form.addParam(
        "keepBonds",
        BooleanParam,
        expertLevel=LEVEL_ADVANCED,
        condition=f"source == {FROM_BOTH} and holdModel != {HOLD_YES}",
        label="Keep the bonds of the model",
        **plain(NeutralSettings, "bonds"),
    )
    form.addParam(
        "boxSize",
        IntParam,
        default=128,
        validators=within(NeutralSettings, "box_px"),
        condition=f"source == {FROM_MODEL}",
        label="Box size (px)",
        help="Box size of the particles that will be analysed. The box centre is put at the "
        "centre of the model, so with particles it is better to give the map, too.",
    )
    form.addParam(
        "pixelSize",
        FloatParam,
        default=2.0,
        validators=within(NeutralSettings, "pixel_size_A"),
        condition=f"source == {FROM_MODEL}",
        label="Pixel size (Å/px)",
        help="Pixel size of the particles that will be analysed.",
    )
    form.addParam(
        "mapOrigin",
        EnumParam,
        choices=["automatic", "header of the map file", "as Scipion shows it"],
        default=map_frame.ORIGIN_AUTOMATIC,
        expertLevel=LEVEL_ADVANCED,
        condition=f"source != {FROM_MODEL}",
        label="Origin of the map",
        help="Where the first voxel of the map lies. Scipion keeps an origin of its own, which "
        "may differ from the one in the file. *automatic* takes the one in which the fitted "
        "model lies in density, and Scipion's where no model is given.",
    )


def _define_mask(form):
    group = form.addGroup("Where Gaussians may lie", condition=f"source != {FROM_MODEL}")
    group.addParam(
        "maskMode",
        EnumParam,
        choices=["made from the map", "none", "given"],
        default=MASK_AUTOMATIC,
        display=EnumParam.DISPLAY_HLIST,
        label="Mask",
        help="Gaussians are placed inside the mask only, so that none is wasted on solvent. "
        "*made from the map* finds the molecule by its density.",
    )
    group.addParam(
        "inputMask",
        PointerParam,
        pointerClass="VolumeMask",
        allowsNull=True,
        condition=f"maskMode == {MASK_GIVEN}",
        label="Mask of the molecule",
        help="A mask with values from 0 to 1, box and pixel size as the map. A mask around "
        "one part of the molecule makes a mixture of that part only.",
    )


def _define_mixture(form):
    group = form.addGroup("Mixture")
    group.addParam(
        "resolution",
        FloatParam,
        important=True,
        label="Resolution (Å, 0 = automatic)",
        **number(NeutralSettings, "resolution_A"),
    )
    group.addParam(
        "numberOfGaussians",
        IntParam,
        label="Number of Gaussians (0 = automatic)",
        **number(NeutralSettings, "gaussians"),
    )
    define_seed(group, NeutralSettings, "The same seed gives the same mixture on the same machine.")
