"""The validation of an analysis in a real headless Scipion project."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from scipion_analyses import helix
from scipion_session import scipion

from gmmflex.engine.io.runs.run_folder import read_json

__all__ = ["scipion"]  # a fixture

# Scipion and its plugins warn about their own dependencies
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def project(scipion, tmp_path_factory):
    return helix(scipion, tmp_path_factory.mktemp)


@pytest.fixture(scope="module")
def validated(project):
    protocol = project.protocol("ProtGmmflexValidate", nullParticles=100)
    return project.started.run(protocol)


def _gaussians(protocol):
    with Path(protocol.getRunFolder(), "gaussians.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_summary_says_what_the_engine_found(validated):
    summary = read_json(Path(validated.getRunFolder()) / "summary.json")
    assert summary["verdict"] in ("moves", "unsure", "may be noise")
    said, methods = "\n".join(validated._summary()), "\n".join(validated._methods())
    assert f"{summary['rms_displacement_A']:.2f} Å RMS" in said
    noise = f"{summary['rms_displacement_without_motion_A']:.2f} Å"
    assert noise in said and noise in methods
    assert f"*{summary['half_sets']['agreement_of_motion']:.2f}*" in said
    config = read_json(Path(validated.getRunFolder()) / "run.json")["config"]
    assert config["null_particles"] == 100 and config["checks"] == ["halves", "null", "leakage"]


def test_spheres_are_the_gaussians_in_the_colour_of_their_verdict(validated):
    from gmmflex.results.verdict_spheres import verdict_spheres

    rows = _gaussians(validated)
    colours, found = {}, {}
    for line in verdict_spheres(rows).splitlines():
        word, *values = line.split()
        if word == ".comment":
            kind = line.split(": ")[1]
        elif word == ".color":
            colours[kind] = tuple(values)
        else:
            found[tuple(values[:3])] = kind
    assert found == {(row["x_A"], row["y_A"], row["z_A"]): row["verdict"] for row in rows}
    assert len(set(colours.values())) == len(colours) == len({row["verdict"] for row in rows})


def test_the_table_begins_with_what_moves_most(validated):
    from gmmflex.viewers.viewer_validate import gaussian_rows

    rows = _gaussians(validated)
    headings, shown = gaussian_rows(rows)
    assert headings[0] == "Gaussian" and headings[-1] == "Verdict" and len(shown) == len(rows)
    most = max(rows, key=lambda row: float(row["rms_displacement_A"]))
    assert shown[0][0] == most["gaussian"] and shown[0][-1] == most["verdict"]
    # of checks that were not made there is no column
    without = [{k: v for k, v in row.items() if "without_motion" not in k} for row in rows]
    assert "Noise gives (Å)" not in gaussian_rows(without)[0]


def test_only_the_chosen_checks(project):
    protocol = project.started.run(
        project.protocol("ProtGmmflexValidate", halves=False, withoutMotion=False)
    )
    summary = read_json(Path(protocol.getRunFolder()) / "summary.json")
    assert summary["verdict"] == "not tested" and summary["half_sets"] is None
    assert "*not tested*" in protocol._summary()[0]
    assert not Path(protocol.getRunFolder(), "half1").exists()


def test_what_cannot_be_validated(project):
    none = project.protocol("ProtGmmflexValidate", halves=False, withoutMotion=False, leakage=False)
    assert none._validate() == ["No check is chosen: switch at least one on."]
    imported = project.protocol("ProtGmmflexValidate")
    assert imported._validate() == []
