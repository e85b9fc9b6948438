"""Starting from a finished run: its latents and decoders, for the same particles or fewer."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sliding_domain import run, settings, simulated

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.star import StarTable, read_star, write_star
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity

N = 300


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), 20.0, N, seed=1)


@pytest.fixture(scope="module")
def before(moving, tmp_path_factory):
    return run(moving, tmp_path_factory.mktemp("runs") / "before", epochs=6)


def _summary(folder):
    return json.loads((folder / "summary.json").read_text())


def _first_score(folder):
    """The held-out score before the first epoch."""
    return -float((folder / "metrics.csv").read_text().splitlines()[1].split(",")[3])


def _subset(moving, folder, rows):
    tables = read_star(moving / "set" / "particles.star")
    main = tables["particles"]
    chosen = StarTable("particles", {k: v[rows] for k, v in dict(main.columns).items()})
    write_star(folder / "subset.star", [tables["optics"], chosen])
    return folder / "subset.star"


@pytest.mark.slow
def test_it_starts_where_the_other_ended(moving, before, tmp_path):
    """The first score is close to the last one before, and far from that of the mixture."""
    lines = []
    after = run(moving, tmp_path / "after", lines, epochs=1, start_from=before)
    old, new = _summary(before), _first_score(after)
    gained = old["test_score"] - old["test_score_neutral"]
    print(f"neutral {old['test_score_neutral']:.4f}, end {old['test_score']:.4f}, start {new:.4f}")
    assert new > old["test_score_neutral"] + 0.6 * gained
    assert any(f"its latents of {N} particles and its decoders free" in line for line in lines)
    fresh = run(moving, tmp_path / "fresh", epochs=1)
    assert _first_score(fresh) < old["test_score_neutral"] + 0.3 * gained


def test_a_subset_in_another_order(moving, before, tmp_path):
    """Particles are joined by image, not by row: the latents of a shuffled subset go on."""
    rows = np.random.default_rng(1).permutation(N)[:150]
    star = _subset(moving, tmp_path, rows)
    after = run(
        moving,
        tmp_path / "after",
        particles=star,
        image_root=moving / "set",
        epochs=1,
        start_from=before,
    )
    old = np.load(before / "latents.npy")[rows]
    new = np.load(after / "latents.npy")
    assert len(new) == 150
    first = old[:, np.argmax(old.std(0))]
    related = max(abs(np.corrcoef(first, new[:, k])[0, 1]) for k in range(new.shape[1]))
    print(f"correlation of the latents {related:.3f}")
    assert related > 0.8


def test_other_latents_and_parameters_start_from_the_layout_alone(moving, before, tmp_path):
    lines = []
    after = run(
        moving,
        tmp_path / "after",
        lines,
        epochs=1,
        latent_dim=3,
        vary=("positions", "amplitudes"),
        start_from=before,
    )
    assert any("none of its decoders, which differ" in line for line in lines)
    old, new = np.load(before / "latents.npy"), np.load(after / "latents.npy")
    first = old[:, np.argmax(old.std(0))]
    # In any direction: fitted to the images, latents may turn.
    shared = LinearRegression().fit(new, first).score(new, first)
    print("multiple correlation of the earlier latent with the new ones:", shared**0.5)
    assert shared**0.5 > 0.8


def test_strangers_are_refused(moving, before, tmp_path):
    tables = read_star(moving / "set" / "particles.star")
    main = dict(tables["particles"].columns)
    main["rlnImageName"] = np.array([f"{k + 1:06d}@other.mrcs" for k in range(N)])
    (tmp_path / "other.mrcs").symlink_to(moving / "set" / "particles.mrcs")
    write_star(tmp_path / "other.star", [tables["optics"], StarTable("particles", main)])
    chosen = settings(
        moving, tmp_path / "run", particles=tmp_path / "other.star", start_from=before
    )
    with pytest.raises(UserError, match="holds 0 of the 300 particles"):
        run_heterogeneity(chosen)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="holds no finished run"):
        run_heterogeneity(settings(moving, tmp_path / "run", start_from=tmp_path))
