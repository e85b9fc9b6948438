"""The form of "landscape", written for people who know their molecule."""

from pyworkflow.protocol.params import GE, BooleanParam, EnumParam, IntParam

from gmmflex.protocols.map_making import define_mask
from gmmflex.protocols.shared_form import define_analysis, define_seed

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
        validators=[GE(0, "Give 0 for a suggested number, or how many groups there shall be.")],
        label="Number of groups (0 = suggested)",
        help="0: the number that suits the particles best, with the reason in the summary.",
    )
    group.addParam(
        "reconstruct",
        BooleanParam,
        default=True,
        label="Reconstruct a map of each group?",
        help="Yes: from the images of each group, with half maps and their FSC, and how far it "
        "agrees with what the network says of the same state. Takes minutes for 100,000 "
        "particles.",
    )
    define_mask(group, "reconstruct")
    define_seed(group, "The same seed gives the same groups.")
    form.addParallelSection(threads=2, mpi=0)
