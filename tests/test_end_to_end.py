"""From particles to maps and movies by the commands alone, in this environment's numpy and torch.

Each command reads what the one before it wrote, and other programs' readers read the last of it.
"""

import json
import sys
from pathlib import Path

import gemmi
import mrcfile
import numpy as np
import pytest
from scipy.stats import spearmanr
from sliding_domain import BOX, first_component, simulated, truth

from gmmflex.engine import cli

pytestmark = [pytest.mark.slow, pytest.mark.end_to_end]

PARTICLES, PATH_A, SEED = 600, 20.0, 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), PATH_A, PARTICLES, SEED)


@pytest.fixture
def gmmflex(monkeypatch):
    """A command line, run in this process; the run folder that it leaves."""

    def run(command: str, *words, output: Path) -> Path:
        words = [command, *words, "--output", output]
        monkeypatch.setattr(sys, "argv", ["gmmflex", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        assert output.is_file() or json.loads((output / "summary.json").read_text())
        return output

    return run


def _star(path):
    """The particles of a star file, by gemmi: each label's values."""
    block = gemmi.cif.read(str(path)).find_block("particles")
    tags = next(item.loop for item in block if item.loop).tags
    return {tag: list(block.find_values(tag)) for tag in tags}


def test_each_command_reads_what_the_one_before_it_wrote(folder, tmp_path, gmmflex):
    stack, model = folder / "set" / "particles.star", folder / "set" / "model.cif"
    own = ("--threads", 1, "--device", "cpu")
    neutral = gmmflex(
        "neutral",
        *("--map", folder / "set" / "consensus.mrc", "--model", model),
        *("--resolution", 10, *own),
        output=tmp_path / "neutral",
    )
    run = gmmflex(
        "heterogeneity",
        *(stack, "--neutral", neutral, "--resolution", 10, "--latent-dim", 2),
        *("--epochs", 40, *own),
        output=tmp_path / "run",
    )
    latents = np.load(run / "latents.npy")
    correlation = abs(spearmanr(first_component(latents), truth(folder)["state"])[0])
    print(f"first component and true state: {correlation:.3f}")
    assert latents.shape == (PARTICLES, 2) and correlation > 0.9

    morph = gmmflex("morph", run, "--model", model, "--frames", 4, output=tmp_path / "morph")
    states = gemmi.read_structure(str(morph / "morph.cif"))
    assert len(states) == 4
    landscape = gmmflex("landscape", run, "--clusters", 2, output=tmp_path / "landscape")
    movie = gmmflex("movie", run, "--frames", 3, "--model", model, output=tmp_path / "movie")
    assert len(list(movie.rglob("*.mrc"))) == 3
    maps = gmmflex(
        "reconstruct",
        *(run, "--clusters", landscape / "clusters.npy", *own),
        output=tmp_path / "maps",
    )
    for path in maps.glob("*.mrc"):
        with mrcfile.open(path) as file:
            assert file.data.shape == (BOX,) * 3 and np.isfinite(file.data).all()
    chosen = gmmflex(
        "select", landscape, "--cluster", 1, "--absolute", output=tmp_path / "one.star"
    )
    labels = np.load(landscape / "clusters.npy")
    names = np.array(_star(run / "latents.star")["_rlnImageName"])
    kept = _star(chosen)["_rlnImageName"]
    assert 0 < len(kept) < PARTICLES
    assert [n.split("@")[0] for n in kept] == [n.split("@")[0] for n in names[labels == 1]]
    again = gmmflex(
        "heterogeneity",
        *(chosen, "--neutral", neutral, "--start-from", run, "--resolution", 10),
        *("--latent-dim", 2, "--epochs", 1, *own),
        output=tmp_path / "again",
    )
    assert np.load(again / "latents.npy").shape == (len(kept), 2)
    for command, given in (("poses", []), ("validate", ["--check", "leakage"])):
        gmmflex(command, run, *given, *own, output=tmp_path / command)
