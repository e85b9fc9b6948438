"""`gmmflex validate` as a command, on a domain that slides."""

import csv
import json
import re
import sys

import numpy as np
import pytest
from sliding_domain import N_LARGE, run, simulated, truth

from gmmflex.engine import cli
from gmmflex.engine.settings.validate import ValidateSettings
from gmmflex.engine.stages.validate.stage import run_validate

PARTICLES, PATH_A = 300, 24.0


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    folder = simulated(tmp_path_factory.mktemp("slide"), PATH_A, PARTICLES, seed=1, snr=2.0)
    # Until the motion is inside the molecule, and not of the whole, as it is at first.
    run(folder, folder / "run", epochs=16)
    return folder


@pytest.mark.slow
def test_a_sliding_domain_is_real_and_what_rests_is_not(analysed):
    output = analysed / "validated"
    lines = []
    settings = ValidateSettings(run=analysed / "run", output=output, device="cpu", threads=1)
    run_validate(settings, log=lines.append)
    summary = json.loads((output / "summary.json").read_text())
    print(json.dumps(summary, indent=1))
    assert summary["status"] == "finished"
    assert summary["verdict"] == "moves"
    with (output / "gaussians.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    kinds = np.array([row["verdict"] for row in rows])
    assert (kinds[N_LARGE:] == "moves").mean() > 0.8
    # Few epochs do not find how far it slides, but where.
    true_A = truth(analysed)["state_coordinates_A"][truth(analysed)["state"]]
    true_sizes_A = np.sqrt(np.square(true_A - true_A.mean(axis=0)).sum(axis=2).mean(axis=0))
    sizes_A = np.array([float(row["rms_displacement_A"]) for row in rows])
    assert np.corrcoef(sizes_A, true_sizes_A)[0, 1] > 0.9
    noise_A = np.array([float(row["rms_displacement_without_motion_A"]) for row in rows])
    assert np.median(noise_A[N_LARGE:]) < 0.5 * np.median(sizes_A[N_LARGE:])
    # Both half sets, different particles, and the particles without motion were analysed.
    counts = [
        json.loads((output / name / "summary.json").read_text())["particles"]
        for name in ("half1", "half2", "null")
    ]
    assert counts[0] + counts[1] == counts[2] == PARTICLES
    page = (output / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "Gaussians move significantly" in page
    assert "remaining" in " ".join(lines)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["{folder}/nothing"], "holds no finished run of 'gmmflex heterogeneity'"),
        (["{folder}/run", "--null-particles", "3"], "error: --null-particles 3: give at least 100"),
        (["{folder}/run", "--particles", "{folder}/gone.star"], "gone.star"),
    ],
)
def test_refusals_are_one_sentence(analysed, tmp_path, monkeypatch, capsys, options, sentence):
    given = [option.format(folder=analysed) for option in options]
    command = ["gmmflex", "validate", *given, "--output", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert sentence in said and "\n" not in said
    assert not (tmp_path / "out").exists()
