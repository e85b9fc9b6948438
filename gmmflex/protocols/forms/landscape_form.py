"""The form of "landscape", written for people who know their molecule."""

from pyworkflow.protocol.params import GE, BooleanParam, EnumParam, IntParam, StringParam

from gmmflex.protocols.forms.shared_form import define_analysis, define_seed
from gmmflex.protocols.steps.map_making import define_mask
from gmmflex.protocols.steps.parts_form import HOW_TO_WRITE, define_parts

METHODS = ("kmeans", "mixture", "hdbscan")


def define_parameters(form):
    """Add every parameter but those of the GPU."""
    form.addSection(label="Input")
    define_analysis(
        form,
        " With a subset of it the landscape is still that of all analysed particles, but only "
        "those of the subset are sorted into classes.",
    )
    group = form.addGroup("States")
    group.addParam(
        "method",
        EnumParam,
        choices=["k-means", "Gaussian mixture", "HDBSCAN"],
        default=0,
        display=EnumParam.DISPLAY_HLIST,
        label="Grouping",
        help="*k-means*: groups of about the same width; cuts a continuous motion into steps.\n"
        "*Gaussian mixture*: clouds of different size and shape.\n"
        "*HDBSCAN*: dense clouds only; particles between them are in no class.",
    )
    group.addParam(
        "clusters",
        IntParam,
        default=0,
        condition="method != 2",
        validators=[GE(0, "Give 0 for a suggested number, or the number of groups.")],
        label="Number of groups (0 = suggested)",
        help="0: the number that suits the particles best, with the reason in the summary.",
    )
    group.addParam(
        "reconstruct",
        BooleanParam,
        default=True,
        label="Reconstruct a map of each group?",
        help="Yes: from the images of each group, with half maps and their FSC, and how far it "
        "agrees with the map decoded at the same state. Takes minutes for 100,000 "
        "particles.",
    )
    define_mask(group, "reconstruct")
    define_seed(group, "The same seed gives the same groups.")
    form.addSection(label="Trajectories")
    form.addParam(
        "frames",
        IntParam,
        default=10,
        validators=[GE(2, "A trajectory has at least 2 states.")],
        label="States of each trajectory",
        help="Trajectories go along the principal components and from the first group to the last. "
        "'maps of states' and 'morph model' make maps and models of their states.",
    )
    form.addParam(
        "ways",
        StringParam,
        default="",
        label="More trajectories (FROM,TO; optional)",
        help="Places that further trajectories connect, through populated regions of the latent "
        "space: groups, as in *c1,c3*, or particles by their number in the analysis, as in "
        "*12,450*. Separate several by semicolons: *c1,c3; c2,c4*.",
    )
    define_parts(
        form,
        "regions",
        "Localised motions of regions (NAME=WHERE, optional)",
        "The motion that moves a region most and the rest least is found and becomes a "
        "trajectory. One region on each line, such as\n\nlid=A:120-160\nfab=mask 1\n\n"
        f"WHERE is one of\n{HOW_TO_WRITE}",
        important=False,
    )
    form.addParallelSection(threads=2, mpi=0)
