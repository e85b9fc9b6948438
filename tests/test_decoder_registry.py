"""Kinds of decoders by name: built in, of this process, of other packages; and what is refused."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from elastic_package import installed, with_package
from pydantic import Field, ValidationError
from torch import nn

from benchmarks.accuracy_runs import analyses, options_of, possible
from benchmarks.accuracy_sets import SETS
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.model.mixture.mixture import GaussianMixture
from gmmflex.engine.model.mixture.offsets import Offsets
from gmmflex.engine.nets.build import DecoderDescription, build_decoder
from gmmflex.engine.nets.decoders.base import DecoderKind, shapes_of
from gmmflex.engine.settings.decoder import DecoderSettings
from gmmflex.engine.settings.decoder_kind import DecoderOptions
from gmmflex.engine.settings.decoder_registry import (
    BUILT_IN,
    decoder_names,
    decoder_spec,
    forget_decoder,
    register_decoder,
)
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.notation.body_lines import parse_parts


class _ShiftOptions(DecoderOptions):
    scale_A: float = Field(5.0, gt=0.0)


class _Together(nn.Module):
    """Everything shifts as a whole."""

    def __init__(self, latent_dim, gaussians):
        super().__init__()
        self.layer = nn.Linear(latent_dim, 3)
        self.gaussians = gaussians

    def forward(self, latents):
        return Offsets(self.layer(latents)[:, None].expand(-1, self.gaussians, 3))


class _Shift(DecoderKind):
    name = "shift"
    options = _ShiftOptions
    can_vary = ("positions",)

    def build(self, plan):
        return _Together(plan.latent_dim, plan.neutral.n_gaussians)

    def tensors(self, sizes):
        with torch.device("meta"):
            return shapes_of(_Together(sizes.latent_dim, sizes.gaussians))


class _Forgetful(_Shift):
    """It does not say that it keeps a bias."""

    name = "forgetful"

    def tensors(self, sizes):
        return {"layer.weight": (3, sizes.latent_dim)}


class _Whole(_Shift):
    name = "whole"

    def build(self, plan):
        network = super().build(plan)
        network.register_buffer("count", torch.zeros(2, dtype=torch.int64))
        return network


@pytest.fixture
def registered():
    for kind in (_Shift, _Forgetful, _Whole):
        register_decoder(kind)
    yield
    for kind in (_Shift, _Forgetful, _Whole):
        forget_decoder(kind.name)


def _built(kind, **changed):
    mixture = GaussianMixture(torch.randn(6, 3), torch.ones(6), torch.ones(6))
    description = DecoderDescription(name="a", kind=kind, **changed)
    return build_decoder(description, torch.ones(6), 2, mixture)


def test_a_registered_kind_is_known_until_it_is_forgotten(registered):
    assert decoder_names()[:3] == tuple(BUILT_IN) and "shift" in decoder_names()
    wanted = DecoderSettings(name="a", kind="shift", options={"scale_A": 2.0})
    assert decoder_spec("shift").options_of(wanted).scale_A == 2.0
    assert _built("shift")(torch.zeros(4, 2)).positions_A.shape == (4, 6, 3)
    register_decoder(_Shift)  # a cell that is run again
    forget_decoder("shift")
    with pytest.raises(ValidationError, match="there is no such decoder: give one of free, hier"):
        DecoderSettings(name="a", kind="shift")


def test_names_that_are_taken_are_refused(registered):
    for name in ("rigid", "shift"):
        other = type("Other", (_Shift,), {"name": name})
        with pytest.raises(ValueError, match=f"decoder {name}: that name is taken"):
            register_decoder(other)
    with pytest.raises(ValueError, match="give letters, digits"):
        register_decoder(type("Other", (_Shift,), {"name": "a b"}))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"options": {"scale_A": 0}}, r"options\.scale_A = 0 is not allowed: Input should be gr"),
        (
            {"options": {"scale": 1}},
            r"options\.scale: a shift decoder has no such option: it has ",
        ),
        ({"kind": "free", "options": {"scale": 1}}, "a free decoder has no such option: it has n"),
        ({"kind": "free", "options": {"smoothing_A": 1}}, r"smoothing_A: give smoothing_A beside"),
        ({"vary": ("widths",)}, "a shift decoder changes positions only: leave widths out of vary"),
        ({"body_edge_A": 2.0}, "a soft edge is for rigid bodies: leave body_edge_A out for shift"),
        ({"kind": "rigid"}, "a rigid decoder needs bodies: give at least one NAME=SELECTION"),
    ],
)
def test_settings_that_a_kind_cannot_have(changed, says, registered):
    with pytest.raises(ValidationError, match=says):
        DecoderSettings(**{"name": "a", "kind": "shift", **changed})


def test_what_could_not_be_read_back_is_refused_before_training(registered):
    with pytest.raises(UserError, match=r"decoder a \(forgetful\) could not be read back after tr"):
        _built("forgetful")
    with pytest.raises(UserError, match=r"keeps the tensor count as torch\.int64 and not as"):
        _built("whole")


def test_what_is_written_of_built_in_kinds_is_as_before():
    """As the versions wrote it that knew three kinds, and nothing of options."""
    told = '{"name":"a","kind":"free","vary":["positions"],"smoothing_A":0.0,"anchors":[],"bodies":'
    assert DecoderDescription(name="a", kind="free").model_dump_json() == f'{told}[],"seed":1}}'
    assert DecoderDescription.model_validate_json(f'{told}[],"seed":1}}').kind == "free"
    assert "options" not in DecoderSettings(name="a").model_dump(mode="json")


def test_settings_of_built_in_kinds_are_checked_without_torch():
    code = (
        "import sys\n"
        "from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings as Settings\n"
        "for more in ({}, {'decoder': 'hierarchical', 'anchors': '3,9'},\n"
        "             {'decoder': 'rigid', 'bodies': ['a=A']}):\n"
        "    Settings(particles='p', neutral='n', output='o', **more)\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_the_modes_of_the_page_are_those_of_a_spring_network(tmp_path, monkeypatch):
    """Against the Hessian as finite differences of the energy of the springs."""
    monkeypatch.syspath_prepend(installed(tmp_path))
    kind = decoder_spec("elastic")
    module = sys.modules.pop("elastic_modes")
    print("points with seed 3")
    points = np.random.default_rng(3).uniform(-8.0, 8.0, size=(14, 3))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    first, second = np.nonzero(np.triu(apart < 15.0, 1))

    def forces(flat):
        moved = flat.reshape(-1, 3)
        between = moved[first] - moved[second]
        length = np.linalg.norm(between, axis=1)
        pull = ((length - apart[first, second]) / length)[:, None] * between
        total = np.zeros_like(moved)
        np.add.at(total, first, pull)
        np.add.at(total, second, -pull)
        return total.ravel()

    step = 1e-5 * np.eye(points.size)
    hessian = np.stack(
        [(forces(points.ravel() + s) - forces(points.ravel() - s)) / 2e-5 for s in step]
    )
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    modes = module.lowest_modes(points, 4, 15.0).reshape(4, -1) / np.sqrt(14)
    assert kind.name == "elastic" and np.abs(values[:6]).max() < 1e-6 < values[6]
    overlaps = np.abs(np.sum(modes * vectors[:, 6:10].T, axis=1))
    np.testing.assert_allclose(overlaps, 1.0, atol=1e-5)


def test_names_of_packages_reach_commands_and_lines_of_regions(tmp_path, monkeypatch):
    """Nothing of the package is loaded to list its name."""
    site = installed(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "gmmflex.engine.cli", "heterogeneity", "--list-decoders"],
        capture_output=True,
        text=True,
        env=with_package(site),
    )
    assert done.stdout.splitlines() == [*BUILT_IN, "elastic (of another package)"], done.stderr
    monkeypatch.syspath_prepend(site)
    (part,) = parse_parts("lid=Elastic A:1-9", with_kind=True)
    assert part.kind == "elastic" and "elastic_modes" not in sys.modules


def test_the_accuracy_benchmark_takes_a_registered_decoder(registered):
    assert analyses() == (*BUILT_IN, "bonds", "two rigid", "shift", "forgetful", "whole")
    assert options_of("shift") == ("--decoder", "shift")
    assert options_of("bonds") == ("--decoder", "free", "--bonds", "model")
    without_bodies = replace(SETS["adk"], bodies={})
    assert possible(without_bodies, "shift") and not possible(without_bodies, "rigid")


def test_a_package_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    site = installed(tmp_path)
    (site / "elastic_modes.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(site)
    says = (
        r"the decoder elastic of the package elastic-modes cannot be loaded \(ModuleNotFoundError:"
    )
    with pytest.raises(ValidationError, match=says):
        DecoderSettings(name="a", kind="elastic")
    (site / "elastic_modes.py").write_text("Elastic = 3\n")
    with pytest.raises(ValidationError, match="is no subclass of DecoderKind with that name"):
        DecoderSettings(name="a", kind="elastic")
    sys.modules.pop("elastic_modes")
    unfinished = "class Elastic(DecoderKind):\n    name = 'elastic'\n"
    base = "from gmmflex.engine.nets.decoders.base import DecoderKind\n"
    (site / "elastic_modes.py").write_text(f"{base}# longer than before\n{unfinished}")
    with pytest.raises(ValidationError, match="the decoder elastic is incomplete"):
        DecoderSettings(name="a", kind="elastic")
    assert DecoderSettings(name="a").kind == "free"
    sys.modules.pop("elastic_modes", None)


def test_two_packages_with_one_name_are_named(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.syspath_prepend(installed(tmp_path / name))
    about = tmp_path / "two" / "elastic_modes-1.0.dist-info"
    os.rename(about, tmp_path / "two" / "other-1.0.dist-info")
    about = tmp_path / "two" / "other-1.0.dist-info"
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[gmmflex.decoders]\nelastic = other:Elastic\n")
    with pytest.raises(ValidationError, match="both bring a decoder elastic: remove one of them"):
        DecoderSettings(name="a", kind="elastic")


def test_options_of_a_configuration_file_reach_the_decoder(registered):
    told = {"decoder": "shift", "options": {"scale_A": 3.0}}
    settings = HeterogeneitySettings(
        particles="p.star", neutral="n", output="o", **json.loads(json.dumps(told))
    )
    (decoder,) = settings.decoder_list
    assert (decoder.name, decoder.kind, decoder.options) == ("shift", "shift", {"scale_A": 3.0})
