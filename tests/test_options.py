"""Options come from the settings: their names, defaults and bounds are those they always had, and
what is wrong is said in the words that a person typed."""

import json
import sys
from importlib import import_module

import command_options as given
import pytest

from gmmflex.engine import cli
from gmmflex.engine.settings.options.setting import setting_of

KEPT = json.loads(given.KEPT.read_text(encoding="utf-8"))
BOUNDS = [
    (command, name, sign, bound)
    for command, names in KEPT["bounds"].items()
    for name, signs in names.items()
    for sign, bound in signs.items()
]
# Nobody types these: they are keys of a config file.
KEYS = {"coarsest_A", "test_fraction", "encoder_sites"}
TYPED = [case for case in BOUNDS if case[1] not in KEYS]
HETEROGENEITY = [case[1:] for case in BOUNDS if case[0] == "heterogeneity"]


def _main(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["gmmflex", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, capsys.readouterr().err


def _beyond(sign, bound):
    """A value just outside, and the bound as people write it."""
    outside = {"ge": bound - 1, "gt": bound, "le": bound + 1, "lt": bound}[sign]
    return outside, str(int(bound)) if float(bound).is_integer() else str(bound)


def _option(command, name):
    settings = import_module(f"gmmflex.engine.settings.{command}")
    return setting_of(getattr(settings, f"{command.capitalize()}Settings"), name).option


@pytest.mark.parametrize("command", KEPT["options"])
def test_a_command_has_the_options_it_always_had(command):
    assert given.options_of(given.commands()[command]) == KEPT["options"][command]


def test_commands_are_those_there_always_were():
    assert set(given.commands()) == set(KEPT["options"])


@pytest.mark.parametrize("command", KEPT["defaults"])
def test_what_is_not_given_is_what_it_always_was(command):
    found = given.settings_from(command)
    assert json.loads(found.model_dump_json()) == KEPT["defaults"][command]
    assert given.bounds_of(found).items() >= KEPT["bounds"][command].items()


@pytest.mark.parametrize(("command", "name", "sign", "bound"), TYPED)
def test_a_number_out_of_bounds(command, name, sign, bound, tmp_path, monkeypatch, capsys):
    """One sentence that begins with the option and gives the bound; exit code 2."""
    monkeypatch.chdir(tmp_path)
    option = _option(command, name)
    assert option in KEPT["options"][command]
    value, limit = _beyond(sign, bound)
    needed, _ = given.NEEDED[command]
    code, said = _main(monkeypatch, capsys, command, *needed, option, value)
    assert code == 2 and said.count("\n") == 1
    start = f"gmmflex: error: {option} {value}: give "
    assert said.startswith(start)
    assert limit in said.removeprefix(start).split()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "sign", "bound"), HETEROGENEITY)
def test_a_number_of_a_config_file_out_of_bounds(name, sign, bound, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    value, limit = _beyond(sign, bound)
    (tmp_path / "c.json").write_text(json.dumps({name: value}))
    needed, _ = given.NEEDED["heterogeneity"]
    code, said = _main(monkeypatch, capsys, "heterogeneity", *needed, "--config", "c.json")
    assert code == 2 and said.count("\n") == 1
    start = f"gmmflex: error: {name} in c.json is {json.dumps(value)}: give "
    assert said.startswith(start)
    assert limit in said.removeprefix(start).split()


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"latent_dmi": 3}, "there is no setting latent_dmi in c.json: did you mean latent_dim"),
        ({"latent-dim": 3}, "there is no setting latent-dim in c.json: did you mean latent_dim"),
        ({"resolution": 9}, "there is no setting resolution in c.json: did you mean resolution_A"),
        (
            {"rounds": [{"epochs": 3}, {"epochs": 0}]},
            "rounds[1].epochs in c.json is 0: give 1 to 10000",
        ),
        (
            {"decoders": [{"name": "a", "smooth_A": 3}]},
            "there is no setting decoders[0].smooth_A in c.json: did you mean smoothing_A",
        ),
        ({"decoders": [{"kind": "free"}]}, "decoders[0].name in c.json is missing: give it"),
        ({"epochs": "many"}, 'epochs in c.json is "many": give a whole number, 1 to 10000'),
        ({"refine_neutral": "maybe"}, 'refine_neutral in c.json is "maybe": give true or false'),
        (
            {"rounds": [{"epochs": 3}], "first_resolution_A": 20},
            "rounds are listed, so first_resolution_A must be one of them",
        ),
    ],
)
def test_what_is_wrong_in_a_config_file(config, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps(config))
    needed, _ = given.NEEDED["heterogeneity"]
    found = _main(monkeypatch, capsys, "heterogeneity", *needed, "--config", "c.json")
    assert found == (2, f"gmmflex: error: {sentence}\n")


def test_an_option_beside_a_config_file_is_named_as_typed(tmp_path, monkeypatch, capsys):
    """What the file says well is not blamed, and what is typed counts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.json").write_text(json.dumps({"latent_dim": 0, "rounds": [{"epochs": 3}]}))
    needed, _ = given.NEEDED["heterogeneity"]
    command = ["heterogeneity", *needed, "--config", "c.json"]
    _, said = _main(monkeypatch, capsys, *command, "--latent-dim", 99)
    assert said == "gmmflex: error: --latent-dim 99: give 1 to 64\n"
    _, said = _main(monkeypatch, capsys, *command, "--latent-dim", 2, "--first-resolution", 20)
    assert said == "gmmflex: error: rounds are listed, so --first-resolution must be one of them\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("heterogeneity --epochs 1.5", "--epochs 1.5: give a whole number, 1 to 10000"),
        (
            "heterogeneity --resolution eight",
            "--resolution eight: give a number, more than 1 and at most 100 Å",
        ),
        ("heterogeneity --vary positions,hue", "--vary hue: give positions, amplitudes or widths"),
        ("heterogeneity --invert-contrast 1", "--invert-contrast 1: give auto, yes or no"),
        (
            "heterogeneity --latent-dim 0 --epochs 0",
            "--latent-dim 0: give 1 to 64; --epochs 0: give 1 to 10000",
        ),
        ("select --cluster 1 --cluster x", "--cluster x: give a whole number"),
        ("validate --check null --check all", "--check all: give halves, null or leakage"),
        ("landscape --method umap", "--method umap: give kmeans, mixture or hdbscan"),
        ("neutral --from hydrogens", "--from hydrogens: give ca or all"),
        ("simulate --voltage 0", "--voltage 0: give more than 0 kV"),
        ("simulate --amplitude-contrast 2", "--amplitude-contrast 2: give 0 to 1"),
        (
            "simulate --cs 2,3",
            "--cs has 2 values for 1 optics groups: give one value, or one for each group",
        ),
        (
            "simulate --trajectory a.dcd",
            "give either --states, or --trajectory with --topology",
        ),
        (
            "reconstruct --clusters c.npy --nearest 9",
            "--clusters says already which particles belong together: leave out --nearest",
        ),
    ],
)
def test_what_is_wrong_is_said_in_the_words_typed(options, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command, *more = options.split()
    needed, _ = given.NEEDED[command]
    found = _main(monkeypatch, capsys, command, *needed, *more)
    assert found == (2, f"gmmflex: error: {sentence}\n")


def test_help_shows_default_and_bounds():
    help_of = {option.opts[0]: option.help for option in given.commands()["heterogeneity"].params}
    assert help_of["--latent-dim"].endswith("[default: 4; 1 to 64]")
    assert help_of["--resolution"].endswith(
        "[default: the mixture's; more than 1 and at most 100 Å]"
    )
    assert help_of["--seed"].endswith("[default: 1; 0 to 4294967295]")
