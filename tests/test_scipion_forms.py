"""Forms and commands agree: defaults and bounds of a form are those of the command it runs."""

import json

import command_options
import pytest
from scipion_session import scipion

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")

KEPT = json.loads(command_options.KEPT.read_text(encoding="utf-8"))
ANALYSIS = {
    "latentDimension": "latent_dim",
    "resolution": "resolution_A",
    "firstResolution": "first_resolution_A",
    "epochs": "epochs",
    "batchSize": "batch_size",
    "contrast": "invert_contrast",
    "symmetry": "symmetry",
    "seed": "seed",
}
VARYING = {**ANALYSIS, "smoothing": "smoothing_A"}
# Of each form: the command it runs, and which parameter is which setting.
FORMS = {
    "ProtGmmflexNeutral": (
        "neutral",
        {
            "resolution": "resolution_A",
            "numberOfGaussians": "gaussians",
            "atoms": "atoms",
            "keepBonds": "bonds",
            "seed": "seed",
        },
    ),
    "ProtGmmflexHeterogeneity": ("heterogeneity", VARYING),
    "ProtGmmflexHierarchical": ("heterogeneity", {**VARYING, "anchors": "anchors"}),
    "ProtGmmflexBonds": ("heterogeneity", {**VARYING, "anchors": "anchors"}),
    "ProtGmmflexRigidBodies": ("heterogeneity", {**ANALYSIS, "bodyEdge": "body_edge_A"}),
    "ProtGmmflexCoordination": ("heterogeneity", {**ANALYSIS, "anchors": "anchors"}),
    "ProtGmmflexLandscape": (
        "landscape",
        {"method": "method", "clusters": "clusters", "frames": "frames", "seed": "seed"},
    ),
    "ProtGmmflexValidate": ("validate", {"nullParticles": "null_particles", "seed": "seed"}),
    "ProtGmmflexReconstruct": (
        "reconstruct",
        {"nearest": "nearest", "weighted": "weighted", "motionGroups": "groups"},
    ),
    "ProtGmmflexPoses": (
        "poses",
        {
            "rounds": "rounds",
            "angle": "angle_deg",
            "shift": "shift_A",
            "memoryLimit": "memory_limit_GB",
            "seed": "seed",
        },
    ),
    "ProtGmmflexMorph": ("morph", {"component": "component", "frames": "frames"}),
    "ProtGmmflexMovie": ("movie", {"component": "component", "frames": "frames"}),
}
# How Scipion runs a protocol, and what a command has no number for.
OWN = {"numberOfThreads", "numberOfMpi", "processes", "boxSize", "pixelSize"}
PARAMETERS = [
    (form, parameter, command, setting)
    for form, (command, parameters) in FORMS.items()
    for parameter, setting in parameters.items()
]
BOUNDS = [
    (form, parameter, sign, bound)
    for form, parameter, command, setting in PARAMETERS
    for sign, bound in KEPT["bounds"][command].get(setting, {}).items()
]
# What the stages take where neither option nor form gives a number (docs/commands.md).
STAGES_OWN = {("morph", "component"): 1, ("morph", "frames"): 10} | {
    ("movie", "component"): 1,
    ("movie", "frames"): 16,
}


def _param(scipion, form, parameter):
    return scipion.protocol(form)().getParam(parameter)


def _has_automatic(param):
    label = param.label.get()
    return "0 = automatic" in label or "0 = suggested" in label


@pytest.mark.parametrize(("form", "parameter", "command", "setting"), PARAMETERS)
def test_a_form_begins_with_what_the_command_takes(scipion, form, parameter, command, setting):
    param = _param(scipion, form, parameter)
    usual = STAGES_OWN.get((command, setting), KEPT["defaults"][command][setting])
    shown = param.getDefault()
    if parameter in ("epochs", "batchSize"):
        assert int(shown) == 0 and f"0: {usual}." in param.help.get()
    elif usual is None:
        assert float(shown) == 0 and _has_automatic(param)
    elif hasattr(param, "choices"):
        word = param.choices[int(shown)].lower().replace("-", "").replace("cα and p", "ca")
        assert word.split()[0] == usual
    elif isinstance(usual, list):
        assert [int(level) for level in shown.split(",")] == usual
    elif isinstance(usual, str | bool):
        assert str(shown) == str(usual)
    else:
        assert float(shown) == usual


@pytest.mark.parametrize(("form", "parameter", "sign", "bound"), BOUNDS)
def test_a_form_has_the_bounds_of_the_command(scipion, form, parameter, sign, bound):
    """Just outside is refused with the bound in the sentence, unless it is the 0 of automatic."""
    param = _param(scipion, form, parameter)
    outside = {"ge": bound - 1, "gt": bound, "le": bound + 1, "lt": bound}[sign]
    (said,) = param.validate(outside) or [""]
    if outside == 0 and _has_automatic(param):
        outside = -1
        (said,) = param.validate(outside)
    limit = str(int(bound)) if float(bound).is_integer() else str(bound)
    assert said.startswith(f"is {outside:g}: give ")
    assert limit in said.replace(",", "").rstrip(".").split()


@pytest.mark.parametrize("form", FORMS)
def test_every_number_of_a_form_is_one_of_its_command(scipion, form):
    from pyworkflow.protocol.params import FloatParam, IntParam

    numbers = {
        name
        for name, param in scipion.protocol(form)().getDefinition().iterAllParams()
        if type(param) in (IntParam, FloatParam)  # choices are IntParams, too
    }
    assert numbers - OWN <= set(FORMS[form][1])


def test_scipion_names_the_label(scipion):
    protocol = scipion.project("Labels").newProtocol(scipion.protocol("ProtGmmflexHeterogeneity"))
    protocol.latentDimension.set(65)
    protocol.resolution.set(0.5)
    said = protocol.validate()
    assert "*Latent dimensions* is 65: give 1 to 64." in said
    assert (
        "*Resolution (Å, 0 = automatic)* is 0.5: give more than 1 and at most 100 Å, or 0 for "
        "automatic." in said
    )


def test_what_the_engine_says_of_an_option_names_the_label(scipion, tmp_path):
    """The sentence of a command that was refused, as the protocol ends with it."""
    protocol = scipion.project("Refused").newProtocol(scipion.protocol("ProtGmmflexHeterogeneity"))
    errors = tmp_path / "gmmflex_heterogeneity.err"
    errors.write_text(
        "warning: slow\n"
        "gmmflex: error: --resolution 7.9 Å is beyond 8.2 Å: give a coarser --resolution, or "
        "--first-resolution; --mask m.mrc holds none\n"
    )
    assert protocol._engineError(errors, None) == (
        "'Resolution' 7.9 Å is beyond 8.2 Å: give a coarser 'Resolution', or 'First resolution'; "
        "'Mask of the part that may change' m.mrc holds none"
    )
