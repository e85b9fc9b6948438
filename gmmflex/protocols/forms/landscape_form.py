"""The form of "landscape", written for people who know their molecule."""

from pyworkflow.protocol.params import BooleanParam, EnumParam, IntParam, StringParam

from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.protocols.forms.shared_form import define_analysis, define_seed
from gmmflex.protocols.steps.map_making import define_mask
from gmmflex.protocols.steps.parts_form import HOW_TO_WRITE, define_parts
from gmmflex.protocols.steps.setting_params import choice, number

METHODS = {"kmeans": "k-means", "mixture": "Gaussian mixture", "hdbscan": "HDBSCAN"}


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
        display=EnumParam.DISPLAY_HLIST,
        label="Grouping",
        **choice(LandscapeSettings, "method", METHODS),
    )
    group.addParam(
        "clusters",
        IntParam,
        condition="method != 2",
        label="Number of groups (0 = suggested)",
        **number(LandscapeSettings, "clusters"),
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
    define_seed(group, LandscapeSettings, "The same seed gives the same groups.")
    form.addSection(label="Trajectories")
    form.addParam(
        "frames",
        IntParam,
        label="States of each trajectory",
        **number(LandscapeSettings, "frames"),
    )
    form.addParam(
        "ways",
        StringParam,
        default="",
        label="More trajectories (FROM,TO; optional)",
        help="Between which places others shall go, through populated places of the latent space: "
        "groups, as in *c1,c3*, or particles by their number in the analysis, as in *12,450*. "
        "Several are parted by semicolons: *c1,c3; c2,c4*.",
    )
    define_parts(
        form,
        "regions",
        "Localised motions of regions (NAME=WHERE, optional)",
        "For each region the motion is looked for that moves it most and the rest least; it "
        "becomes a trajectory. One region on each line, such as\n\nlid=A:120-160\nfab=mask 1\n\n"
        f"WHERE is one of\n{HOW_TO_WRITE}",
        important=False,
    )
    form.addParallelSection(threads=2, mpi=0)
