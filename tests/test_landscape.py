"""`gmmflex landscape`: density, clusters and star files, against known clouds and scikit-learn."""

import csv
import sys

import numpy as np
import pytest
from landscape_run import (
    NOTE,
    groups,
    landscape_without_pictures,
    results_of_arms,
    run_with,
    summary_of,
)
from PIL import Image
from scipy.stats import gaussian_kde
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from gmmflex.engine import cli
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import read_particle_records
from gmmflex.engine.io.star import read_star
from gmmflex.engine.latents.clusters import find_clusters
from gmmflex.engine.latents.density import free_energy
from gmmflex.engine.model.geometry.symmetry import symmetry_operators
from gmmflex.engine.model.inference.principal_axes import principal_axes
from gmmflex.engine.runs.junk_column import junk_probabilities
from gmmflex.engine.runs.particle_tables import ParticleTables
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.stages.landscape import stage

SIZES, CENTRES = (150, 250, 200), [[6.0, 0.0], [-6.0, 0.0], [0.0, 5.0]]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three clouds, and the landscape of them by the command."""
    folder = tmp_path_factory.mktemp("landscape")
    latents, which = groups(SIZES, CENTRES, 0.8, seed=1)
    run, output = run_with(folder, latents), folder / "L"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "read_run", lambda path: results_of_arms(latents))
        line = ["gmmflex", "landscape", str(run), "--output", str(output), "--threads", "1"]
        patch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code == 0
    return {"run": run, "output": output, "latents": latents, "which": which}


@pytest.fixture(scope="module")
def with_junk(tmp_path_factory):
    """The same with a fourth cloud, of junk, between two of the others."""
    folder = tmp_path_factory.mktemp("junk")
    latents, which = groups((*SIZES, 120), [*CENTRES, [3.0, 2.5]], 0.8, seed=1)
    junk = np.where(which == 3, 0.97, 0.01)
    run = run_with(folder, latents, junk=junk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "read_run", lambda path: results_of_arms(latents))
        stage.run_landscape(
            LandscapeSettings(run=run, output=folder / "L", threads=1), log=lambda line: None
        )
    return {"run": run, "output": folder / "L", "latents": latents, "which": which}


def test_junk_is_in_no_cluster_and_makes_no_density(with_junk):
    labels, which = np.load(with_junk["output"] / "clusters.npy"), with_junk["which"]
    assert (labels[which == 3] == 0).all() and (labels[which < 3] > 0).all()
    assert adjusted_rand_score(which[which < 3], labels[which < 3]) > 0.99
    nearest = [int(row["nearest_particle"]) for row in _table(with_junk["output"] / "clusters.csv")]
    assert (which[np.array(nearest) - 1] < 3).all()
    projected = principal_axes(with_junk["latents"].astype(np.float32)).project(
        with_junk["latents"].astype(np.float32)
    )
    energy = free_energy(projected[which < 3])
    written = np.load(with_junk["output"] / "free_energy.npy")
    np.testing.assert_allclose(written[0], energy.energy_kT, rtol=1e-5)
    columns = read_star(with_junk["output"] / "landscape.star")["particles"].columns
    assert np.isfinite(columns["gmmflexFreeEnergy"].astype(float)).all()


def test_junk_is_counted_shown_and_spoken_of(with_junk, made):
    output = with_junk["output"]
    expected = 0.97 * 120 + 0.01 * 600
    about = summary_of(output)["junk"]
    assert about["listed"] == 120 and about["particles"] == pytest.approx(expected)
    report = (output / "report.html").read_text()
    assert "<h2>Junk</h2>" in report and "gmmflex select --without-junk" in report
    assert (output / "junk.png").is_file()
    # nothing is known of it in a run of an earlier version
    assert summary_of(made["output"])["junk"] is None
    assert "<h2>Junk</h2>" not in (made["output"] / "report.html").read_text()


def test_what_is_no_probability_is_refused(with_junk, tmp_path):
    text = (with_junk["run"] / "latents.star").read_text()
    (tmp_path / "latents.star").write_text(text.replace(" 0.970000", " 1.970000", 1))
    with pytest.raises(UserError, match="not between 0 and 1"):
        junk_probabilities(ParticleTables(tmp_path / "latents.star"))


def _table(path):
    with path.open() as stream:
        return list(csv.DictReader(stream))


def test_three_clouds_are_three_clusters_along_the_first_component(made):
    labels = np.load(made["output"] / "clusters.npy")
    assert labels.dtype == np.int32 and sorted(set(labels)) == [1, 2, 3]
    assert adjusted_rand_score(made["which"], labels) > 0.99
    rows = _table(made["output"] / "clusters.csv")
    assert sum(int(row["particles"]) for row in rows) == 600
    along = principal_axes(made["latents"].astype(np.float32)).project(
        np.array([[float(row["latent1"]), float(row["latent2"])] for row in rows], np.float32)
    )
    assert (np.diff(along[:, 0]) > 0).all()
    for k, row in enumerate(rows, start=1):
        own = made["latents"][labels == k]
        centre = [float(row["latent1"]), float(row["latent2"])]
        np.testing.assert_allclose(centre, own.mean(0), atol=1e-4)
        nearest = np.linalg.norm(made["latents"] - centre, axis=1).argmin()
        assert int(row["nearest_particle"]) == nearest + 1
    about = summary_of(made["output"])["clusters"]
    assert about["stand_apart"] and about["number"] == 3 and "silhouette" in about["why"]


def test_components_are_those_of_scikit_learn(made):
    found, expected = np.load(made["output"] / "components.npy"), PCA(2).fit(made["latents"])
    np.testing.assert_allclose(
        np.abs(found), np.abs(expected.transform(made["latents"])), atol=1e-4
    )
    shares = [float(row["share"]) for row in _table(made["output"] / "components.csv")]
    np.testing.assert_allclose(shares, expected.explained_variance_ratio_, atol=1e-4)


def test_star_files_keep_every_column_and_the_optics(made):
    source = read_star(made["run"].parent / "set" / "particles.star")
    whole = read_star(made["output"] / "landscape.star")
    for label, values in source["optics"].columns.items():
        assert (whole["optics"].columns[label] == values).all()
    labels = np.load(made["output"] / "clusters.npy")
    for k in (1, 2, 3):
        part = read_star(made["output"] / "star" / f"cluster_{k}.star")
        for label, values in source["particles"].columns.items():
            assert (part["particles"].columns[label] == values[labels == k]).all()
        assert set(part["particles"].columns["gmmflexCluster"]) == {str(k)}
        assert part["particles"].columns["rlnComment"][0] == NOTE
    pcs = whole["particles"].columns["gmmflexPC1"].astype(float)
    np.testing.assert_allclose(pcs, np.load(made["output"] / "components.npy")[:, 0], atol=1e-5)
    assert whole["particles"].columns["gmmflexFreeEnergy"].astype(float).min() >= 0


def test_pictures_are_drawn(made):
    for name in ("landscape", "clusters", "components"):
        with Image.open(made["output"] / f"{name}.png") as picture:
            assert min(picture.size) > 300


def test_a_symmetric_run_keeps_the_pose_and_identity_of_each_copy(tmp_path, monkeypatch):
    latents, _ = groups((60, 60), [[-4.0, 0.0], [4.0, 0.0]], 0.5, seed=2)
    run = run_with(tmp_path, latents, symmetry_operators("C3"))
    landscape_without_pictures(monkeypatch, latents, run=run, output=tmp_path / "L", clusters=2)
    expanded = read_particle_records(run / "latents.star")
    labels = np.load(tmp_path / "L" / "clusters.npy")
    assert len(labels) == 120
    for k in (1, 2):
        path = tmp_path / "L" / "star" / f"cluster_{k}.star"
        part, own = read_particle_records(path), labels == k
        np.testing.assert_allclose(part.rotations, expanded.rotations[own], atol=1e-6)
        assert (part.image_names == expanded.image_names[own]).all()
        copies = read_star(path)["particles"].columns["gmmflexSymmetryCopy"]
        assert (copies.astype(int) == np.tile([1, 2, 3], 40)[own]).all()


def test_free_energy_is_that_of_a_gaussian_and_tells_its_limits():
    random = np.random.default_rng(3)
    points = (random.normal(size=(200_000, 2)) * [3.0, 0.5]).astype(np.float32)
    found = free_energy(points)
    places = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0], [3.0, 0.5]])
    exact = 0.5 * ((places / [3.0, 0.5]) ** 2).sum(1)
    # Counting errors at the peak and at the place, and what the kernel widens: 0.25 of Scott's.
    np.testing.assert_allclose(found.at(places), exact, atol=0.1)
    assert np.isnan(found.at(np.array([[20.0, 0.0], [0.0, 8.0]]))).all()
    # At least four particles under the kernel, or nothing is said.
    assert np.isnan(found.energy_kT).any() and np.nanmax(found.energy_kT) < found.ceiling_kT
    assert found.of_particles_kT.max() <= found.ceiling_kT + 1e-4
    assert 0 < found.sparse.mean() < 0.01


def test_the_error_is_how_far_repeated_draws_differ():
    """At the middle of a normal cloud and at 1.5 σ, where there are fewer."""
    random = np.random.default_rng(12)
    places, drawn, errors = np.array([[0.0, 0.0], [1.5, 0.0]]), [], []
    for _ in range(100):
        found = free_energy(random.normal(size=(4000, 2)).astype(np.float32))
        nearest = tuple(
            np.abs(axis[:, None] - own).argmin(axis=0)
            for axis, own in zip(found.places, places.T, strict=True)
        )
        # Not from the peak, which is another place in each draw: from the particles counted there.
        peak = (1 / found.error_kT**2).max()
        drawn.append(found.energy_kT[nearest] - np.log(peak))
        errors.append(found.error_kT[nearest])
    np.testing.assert_allclose(np.std(drawn, axis=0), np.mean(errors, axis=0), rtol=0.2)


def test_the_density_is_that_of_a_kernel():
    random = np.random.default_rng(4)
    points = np.concatenate([random.normal(-3, 1, 1500), random.normal(2, 0.5, 1500)])
    found = free_energy(points[:, None].astype(np.float32))
    kernel = gaussian_kde(points, bw_method=found.kernel[0] / points.std(ddof=1))
    places = np.linspace(-5, 3, 30)
    expected = -np.log(kernel(places) / kernel(np.linspace(-5, 3, 2000)).max())
    at = found.at(places[:, None])
    assert np.isfinite(at).sum() > 20
    np.testing.assert_allclose(at[np.isfinite(at)], expected[np.isfinite(at)], atol=0.12)


@pytest.mark.parametrize("method", ["mixture", "hdbscan"])
def test_other_methods_find_the_clouds_too(method):
    latents, which = groups((400, 300, 300), CENTRES, 0.8, seed=5)
    latents = latents.astype(np.float32)
    found = find_clusters(latents, principal_axes(latents), method, None, 5, 1)
    assert len(found.centres) == 3 and found.apart
    inside = found.labels > 0
    assert inside.mean() > 0.9
    assert adjusted_rand_score(which[inside], found.labels[inside]) > 0.99


def test_a_continuum_is_not_said_to_stand_apart():
    random = np.random.default_rng(6)
    line = np.c_[random.uniform(-4, 4, 4000), random.normal(0, 0.2, 4000)].astype(np.float32)
    found = find_clusters(line, principal_axes(line), "kmeans", 3, 8, 1)
    assert not found.apart and found.barriers_kT.max() < 0.7
    # The silhouette alone would have said so.
    assert found.silhouette > 0.5


def test_long_clusters_side_by_side_stand_apart():
    """The line between their centres leads along them and shows no gap; it is 13 σ wide."""
    random = np.random.default_rng(7)
    which = np.repeat([0, 1], 500)
    rods = np.c_[random.uniform(-20, 20, 1000) + 40 * which, random.normal(0, 1, 1000) + 13 * which]
    rods = rods.astype(np.float32)
    found = find_clusters(rods, principal_axes(rods), "mixture", 2, 8, 1)
    assert adjusted_rand_score(which, found.labels) == 1
    # Nobody lies in between: all that 1,000 particles can tell.
    assert found.apart and found.barriers_kT.min() > 3


def test_few_particles_of_one_cloud_do_not_stand_apart():
    """Cut in two by k-means; many dimensions offer many directions in which there is a gap."""
    random = np.random.default_rng(8)
    said = 0
    for _ in range(30):
        cloud = random.uniform(-1, 1, (60, 8)).astype(np.float32)
        said += find_clusters(cloud, principal_axes(cloud), "kmeans", 2, 8, 1).apart
    assert said <= 1


def test_what_cannot_be_read_is_refused(made, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no finished run"):
        stage.run_landscape(LandscapeSettings(run=tmp_path, output=tmp_path / "L"))
    assert not (tmp_path / "L").exists()
    monkeypatch.setattr(stage, "read_run", lambda path: results_of_arms(made["latents"][:-1]))
    settings = LandscapeSettings(run=made["run"], output=tmp_path / "L")
    with pytest.raises(UserError, match="has 600 rows where"):
        stage.run_landscape(settings, log=lambda line: None)
    assert not (tmp_path / "L").exists()
