"""Decoders of other packages in Scipion's forms: listed without loading, taken by their names."""

from __future__ import annotations

import sys

import pytest
from elastic_package import installed
from scipion_session import scipion

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(installed(tmp_path))
    yield
    sys.modules.pop("elastic_modes", None)


def test_the_form_lists_and_checks_names(scipion, package):
    from gmmflex.protocols.forms.decoder_form import decoder_faults, other_decoders

    assert other_decoders() == "; other packages here bring *elastic*"
    assert decoder_faults("free") == decoder_faults(None) == decoder_faults("elastic") == []
    assert "write free or elastic, or install" in decoder_faults("magic")[0]
    assert "has a protocol of its own" in decoder_faults("rigid")[0]
    assert "elastic_modes" not in sys.modules


def test_the_name_is_an_option_of_the_command_and_a_key_of_the_run(scipion, package):
    project = scipion.project("Decoders")
    protocol = project.newProtocol(scipion.protocol("ProtGmmflexHeterogeneity"))
    before = protocol._kindSettings()
    assert "--decoder" not in protocol._kindArguments()
    protocol.decoder.set("elastic")
    assert protocol._kindArguments()[-2:] == ["--decoder", "elastic"]
    assert protocol._kindSettings() == {**before, "decoder": "elastic"}
    protocol.decoder.set("magic")
    assert any("There is no decoder 'magic'" in fault for fault in protocol._kindFaults())


def test_regions_may_name_it(scipion, package):
    from gmmflex.notation.body_lines import parse_parts
    from gmmflex.protocols.steps.region_plan import decoders

    lines = "a=elastic A:1-9\nb=rigid A:10-19\nc=hierarchical B\nd=mask 1"
    parts = parse_parts(lines, with_kind=True)
    assert decoders(parts, lambda part: part.where, (8, 16)) == [
        {"name": "a", "kind": "elastic", "region": "A:1-9"},
        {"name": "b", "kind": "rigid", "bodies": ["b=A:10-19"]},
        {"name": "c", "kind": "hierarchical", "region": "B", "anchors": [8, 16]},
        {"name": "d", "kind": "free", "mask": "mask 1"},
    ]
