"""UMAP of a landscape: groups stay together, and it is said how to get it."""

import numpy as np
import pytest
from landscape_run import groups, results_of_arms, run_with
from sklearn.manifold import trustworthiness

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.star import read_star
from gmmflex.engine.latents import umap
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.settings.select import SelectSettings
from gmmflex.engine.stages.landscape import stage as landscape
from gmmflex.engine.stages.select.stage import run_select


@pytest.mark.slow
def test_groups_stay_together_and_the_rest_is_put_beside_them(tmp_path, monkeypatch):
    latents, which = groups((170, 170, 160), [[0, 0], [6, 0], [0, 6]], 0.5, seed=1)
    run = run_with(tmp_path, latents)
    monkeypatch.setattr(landscape, "read_run", lambda path: results_of_arms(latents))
    # Of more particles than are laid out the others lie among their neighbours.
    monkeypatch.setattr(umap, "_MOST", 350)
    settings = LandscapeSettings(run=run, output=tmp_path / "L", clusters=3, umap=True, threads=1)
    landscape.run_landscape(settings, log=lambda line: None)
    places = np.load(tmp_path / "L" / "umap.npy")
    assert trustworthiness(latents, places, n_neighbors=10) > 0.95
    means = np.array([places[which == k].mean(axis=0) for k in range(3)])
    nearest = np.linalg.norm(places[:, None] - means, axis=2).argmin(axis=1)
    assert (nearest == which).all()
    columns = read_star(tmp_path / "L" / "landscape.star")["particles"].columns
    told = np.stack([columns[f"gmmflexUMAP{k}"].astype(float) for k in (1, 2)], axis=1)
    np.testing.assert_allclose(told, places, atol=1e-5)
    assert "UMAP" in (tmp_path / "L" / "report.html").read_text()

    # A lasso in that plane.
    low, high = places[which == 0].min(axis=0) - 0.1, places[which == 0].max(axis=0) + 0.1
    corners = [low, [high[0], low[1]], high, [low[0], high[1]]]
    np.savetxt(tmp_path / "lasso.txt", corners)
    chosen = {"polygon": tmp_path / "lasso.txt", "axes": "umap", "output": tmp_path / "s.star"}
    run_select(SelectSettings(source=tmp_path / "L", **chosen), log=lambda line: None)
    found = read_star(tmp_path / "s.star")["particles"].columns["rlnImageName"]
    names = columns["rlnImageName"]
    assert found.tolist() == names[((places > low) & (places < high)).all(axis=1)].tolist()

    again = umap.umap_plane(latents.astype(np.float32), settings.seed)
    np.testing.assert_array_equal(again, places)


def test_without_umap_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    latents, _ = groups((30, 30), [[0, 0], [6, 0]], 0.5, seed=2)
    run = run_with(tmp_path, latents)
    monkeypatch.setattr(landscape, "read_run", lambda path: results_of_arms(latents))
    monkeypatch.setattr(umap, "find_spec", lambda name: None)
    settings = LandscapeSettings(run=run, output=tmp_path / "L", umap=True)
    with pytest.raises(UserError, match=r'pip install "scipion-em-gmmflex\[umap\]"'):
        landscape.run_landscape(settings, log=lambda line: None)
    assert not (tmp_path / "L").exists()
