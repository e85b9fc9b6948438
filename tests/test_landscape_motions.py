"""Trajectories, localised motions, reliability and report of `gmmflex landscape`: known cases."""

import csv
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from landscape_run import results_of_arms, run_with, summary_of
from two_arms import LEFT, RIGHT

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.io.star import read_star
from gmmflex.engine.latents.clusters import find_clusters
from gmmflex.engine.latents.combinations import find_combinations
from gmmflex.engine.latents.density import free_energy
from gmmflex.engine.latents.paths import populated_path
from gmmflex.engine.latents.regions import local_motion
from gmmflex.engine.latents.reliability import (
    motion_metric,
    read_covariances,
    reliability_of,
)
from gmmflex.engine.latents.ring import way_around
from gmmflex.engine.latents.trajectories import (
    Trajectory,
    find_trajectories,
    write_trajectory,
)
from gmmflex.engine.model.inference.principal_axes import principal_axes
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.stages.landscape import stage

TURN = np.array([[0.8, -0.6], [0.6, 0.8]])


class _Mixed:
    """The model of the arms, with latents that are turned: each moves both arms."""

    def __init__(self, model):
        self.model, self.neutral, self.device = model, model.neutral, model.device

    def decoder(self, latents):
        import torch

        return self.model.decoder(latents @ torch.as_tensor(TURN, dtype=torch.float32))


def _slides(n, seed):
    """(n, 2) slides of both arms in Å, and the turned latents that decode to them."""
    print(f"slides with seed {seed}")
    slides = np.random.default_rng(seed).normal(size=(n, 2)) * [5.0, 3.0]
    return slides, (slides @ TURN.T).astype(np.float32)


def test_the_motion_of_one_arm_is_found_among_two():
    slides, latents = _slides(1500, seed=1)
    model = _Mixed(results_of_arms(latents).model)
    for arm, column in ((LEFT, 0), (RIGHT, 1)):
        inside = np.zeros(200, dtype=bool)
        inside[arm] = True
        found = local_motion(model, latents, "arm", inside, 7)
        assert found.whole and found.share > 0.97 and found.share_of_all < 0.95
        along = found.latents @ TURN
        reach = 1.645 * slides[:, column].std()
        np.testing.assert_allclose(np.abs(along[0, column]), reach, rtol=0.1)
        assert np.ptp(along[:, 1 - column]) < 0.1 * np.ptp(along[:, column])
        # Less than the slide itself: its recoil is taken out with the frame of the rest.
        assert found.inside_A == pytest.approx(2 * reach, rel=0.1)


class _OneAfterTheOther(_Mixed):
    """A single latent: below 0 the right arm slides by 6 Å for each unit, above it the left one."""

    def decoder(self, latents):
        import torch

        left, right = latents.clamp(min=0), latents.clamp(max=0)
        return self.model.decoder(6 * torch.cat([left, right], 1))


def test_where_arms_move_in_turn_it_is_the_part_on_which_one_does():
    latents = np.random.default_rng(8).uniform(-1.7, 1.7, (800, 1)).astype(np.float32)
    print("latents with seed 8")
    model = _OneAfterTheOther(results_of_arms(np.zeros((1, 2))).model)
    for arm, sign in ((LEFT, 1), (RIGHT, -1)):
        inside = np.zeros(200, dtype=bool)
        inside[arm] = True
        found = local_motion(model, latents, "arm", inside, 7)
        assert found.share > 0.9 > found.share_of_line and not found.whole
        # It keeps all of the slide of this arm, and a third of that of the other at most.
        ends = np.sort(sign * found.latents[[0, -1], 0])
        assert -0.5 < ends[0] < 0.1 and ends[1] == pytest.approx(1.645 * latents.std(), rel=0.02)


def test_a_path_keeps_to_the_bend_where_particles_are():
    random = np.random.default_rng(2)
    angle = random.uniform(0, np.pi, 3000)
    bend = np.c_[np.cos(angle), np.sin(angle)] + 0.05 * random.normal(size=(3000, 2))
    first, last = int(angle.argmin()), int(angle.argmax())
    way = populated_path(bend.astype(np.float32), first, last, 15, 1)
    assert np.abs(np.hypot(*way.T) - 1).max() < 0.15
    np.testing.assert_allclose(way[[0, -1]], bend[[first, last]], atol=1e-5)
    steps = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert steps.max() < 1.4 * steps.min()
    assert (np.diff(np.unwrap(np.arctan2(way[:, 1], way[:, 0]))) > 0).all()


def test_no_path_leads_over_a_gulf():
    random = np.random.default_rng(3)
    points = random.normal(size=(800, 2)) * 0.1 + np.repeat([[0.0, 0], [50.0, 0]], 400, axis=0)
    assert populated_path(points.astype(np.float32), 0, 799, 10, 1) is None


def test_a_ring_is_gone_around_and_other_shapes_are_no_ring():
    random = np.random.default_rng(4)
    angle = random.uniform(0, 2 * np.pi, 3000)
    bent = np.c_[np.cos(angle), np.sin(angle), 0.4 * np.sin(2 * angle)]
    way = way_around((bent + 0.1 * random.normal(size=bent.shape)).astype(np.float32), 12, 1)
    turn = np.unwrap(np.arctan2(way[:, 1], way[:, 0]))
    np.testing.assert_allclose(np.abs(np.diff(turn)), 2 * np.pi / 12, atol=0.3)
    np.testing.assert_allclose(np.hypot(way[:, 0], way[:, 1]), 1.0, atol=0.2)
    # It is what comes first, and ways through the hole are not drawn.
    ring = (bent + 0.1 * random.normal(size=bent.shape)).astype(np.float32)
    axes = principal_axes(ring)
    settings = LandscapeSettings(run=Path(), output=Path())
    clusters = find_clusters(ring, axes, "kmeans", 3, 8, 1)
    first, *others = find_trajectories(settings, ring, axes, clusters)
    assert (first.name, first.closed) == ("circle", True)
    through = {way.name for way in others if way.misleading}
    assert through == {"component_1", "component_2", "component_3"}
    shapes = {
        "cloud": random.normal(size=(3000, 4)),
        "disc": np.sqrt(random.uniform(size=(3000, 1))) * np.c_[np.cos(angle), np.sin(angle)],
        "arc": np.c_[np.cos(angle * 0.8), np.sin(angle * 0.8)],
    }
    for name, points in shapes.items():
        noise = 0.05 * random.normal(size=points.shape)
        assert way_around((points + noise).astype(np.float32), 12, 1) is None, name


def test_reliability_is_the_share_of_the_variance_that_is_told():
    """A normal state seen with an error σᵢ: an image tells 1 / (1 + σᵢ²) of its variance."""
    random = np.random.default_rng(5)
    n, sigma = 20_000, np.repeat([0.3, 2.0], 10_000)
    state = random.normal(size=(n, 2)) * [1.0, 1e-3]
    left = 1 / (1 + 1 / sigma**2)
    means = state[:, 0] * (1 - left) + random.normal(size=n) * sigma * (1 - left)
    # As a run stretches them (model/inference/latent_posterior.py).
    shown = means.var()
    means *= np.sqrt(2 - shown)
    latents = np.c_[means, state[:, 1]].astype(np.float32)
    # The prior was left wide along the second, which no state shows.
    covariances = np.zeros((n, 2, 2))
    covariances[:, 0, 0], covariances[:, 1, 1] = left, 0.5
    found = reliability_of(latents, covariances, np.eye(2))
    told = [found.of_particles[sigma == s].mean() for s in (0.3, 2.0)]
    np.testing.assert_allclose(told, [1 / 1.09, 1 / 5], atol=0.08)
    np.testing.assert_allclose(
        found.error_A**2, (1 - found.of_particles) * found.spread_A**2, rtol=1e-3, atol=1e-4
    )


def test_where_covariances_are_zero_everything_is_told(tmp_path):
    latents = np.random.default_rng(11).normal(size=(50, 3)).astype(np.float32)
    zero = np.zeros((50, 3, 3), np.float32)
    np.testing.assert_allclose(reliability_of(latents, zero, np.eye(3)).of_particles, 1, atol=1e-6)
    # What moves is known, what does not move is not.
    some = np.tile(np.diag([0.0, 1.0, 1.0]), (50, 1, 1))
    found = reliability_of(latents, some, np.diag([1.0, 0.0, 0.0])).of_particles
    np.testing.assert_allclose(found, 1, atol=1e-6)
    zero[7, 1, 1] = np.nan
    np.save(tmp_path / "latent_covariances.npy", zero)
    with pytest.raises(UserError, match="holds values that are not finite"):
        read_covariances(tmp_path, latents)


def test_the_metric_is_the_mean_square_displacement():
    _, latents = _slides(500, seed=6)
    metric = motion_metric(results_of_arms(latents).model, latents)
    # 50 of 200 Gaussians slide by one latent each.
    np.testing.assert_allclose(metric, 0.25 * np.eye(2), atol=1e-4)


@pytest.fixture
def arms(tmp_path, monkeypatch):
    _, latents = _slides(400, seed=7)
    covariances = np.tile(np.diag([1.0, 4.0]), (400, 1, 1))
    run = run_with(tmp_path, latents, covariances=covariances)
    monkeypatch.setattr(stage, "read_run", lambda path: results_of_arms(latents))
    grid = 4.0 * np.indices((32, 32, 32))[1]
    # The left arm lies above y = 64 + 9 Å, the right one below 64 - 7 Å, and some of the core.
    for name, inside in (("left", grid > 73), ("right", grid < 57)):
        write_map(tmp_path / f"{name}.mrc", Map(inside.astype(np.float32), 4.0, np.zeros(3)))

    def landscape(name, **changed):
        values = {"run": run, "output": tmp_path / name, "threads": 1, **changed}
        stage.run_landscape(LandscapeSettings(**values), log=lambda line: None)
        return tmp_path / name

    return landscape


def test_everything_is_in_the_folder_and_the_report_needs_nothing_else(arms, tmp_path):
    region = f"left={tmp_path / 'left.mrc'}", f"right={tmp_path / 'right.mrc'}"
    ways = {"path": ("1,c1",), "line": ("3,7",), "combine": ("left,right",)}
    folder = arms("L", frames=6, region=region, **ways)
    summary = summary_of(folder)
    names = {"component_1", "component_2", "path_1_c1", "line_3_7", "region_left", "region_right"}
    names |= {"combine_left_right"}
    assert {item["name"] for item in summary["trajectories"]} == names
    for name in names:
        frames = 20 if name.startswith("combine") else 6
        assert np.load(folder / "trajectories" / f"{name}.npy").shape == (frames, 2)
        assert len((folder / "trajectories" / f"{name}.csv").read_text().splitlines()) == frames + 1
    assert summary["regions"][0]["share_inside"] > 0.9
    told = read_star(folder / "landscape.star")["particles"].columns["gmmflexReliability"]
    np.testing.assert_allclose(told.astype(float), np.load(folder / "reliability.npy"), atol=1e-5)
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 6
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert "What to treat with caution" in page and "left" in page and "width=device-width" in page


def test_two_motions_are_combined_in_all_amplitudes(tmp_path):
    slides, _ = _slides(600, seed=9)
    latents = slides.astype(np.float32)
    model = results_of_arms(latents).model
    motions = []
    for name, arm in (("left", LEFT), ("right", RIGHT)):
        inside = np.zeros(200, dtype=bool)
        inside[arm] = True
        motions.append(local_motion(model, latents, name, inside, 4))
    asked_for = {"frames": 4, "combine": ("left,right",)}
    settings = LandscapeSettings(run=tmp_path, output=tmp_path, **asked_for)
    (found,) = find_combinations(settings, motions, model, latents)
    # Latents are slides in Å; neither arm is in the frame of the other's.
    slid = np.abs(found.latents - found.latents[0])
    np.testing.assert_allclose(found.moved_A[:, :2], slid, atol=1e-3)
    np.testing.assert_allclose(found.moved_A[:, 2], 0, atol=1e-3)
    assert slid[-1].min() > 9 and len(slid) == 25 and not found.coupled
    # One motion under two names is no combination.
    twice = LandscapeSettings(run=tmp_path, output=tmp_path, combine=("left,again",))
    same = [motions[0], replace(motions[0], region="again")]
    assert find_combinations(twice, same, model, latents)[0].coupled
    # Corners of independent slides hold next to no particles, their middle does.
    strays = np.linalg.norm(found.latents / latents.std(axis=0), axis=1)
    assert found.empty[strays.argsort()].tolist() == sorted(found.empty) and not found.empty[12]
    # Around the corners: one amplitude at a time, and each of both ends.
    corners = found.latents[[0, 20, 24, 4]]
    np.testing.assert_allclose(found.around[::3], corners, atol=1e-5)
    np.testing.assert_allclose(found.around[1], (2 * corners[0] + corners[1]) / 3, atol=1e-5)


def test_a_thousand_frames_need_no_memory_for_all_pairs_of_them(tmp_path):
    """Half a circle of slides: 50 of 200 Gaussians go along with each of both latents."""
    angle = np.linspace(0, np.pi, 1000)
    way = 10 * np.c_[np.cos(angle), np.sin(angle)].astype(np.float32)
    axes = principal_axes(way)
    energy = free_energy(axes.project(way))
    model = results_of_arms(way).model
    tracemalloc.start()
    reached_A = write_trajectory(tmp_path, Trajectory("half", "", way), model, way, axes, energy)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Numbers of all frames a few times; of all pairs there would be 5 GB.
    assert peak_bytes < 10 * way.shape[0] * 200 * 3 * 4
    with (tmp_path / "half.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    chord_A = 0.5 * 20 * np.sin(angle / 2)
    found = [float(row["rms_from_first_A"]) for row in rows]
    np.testing.assert_allclose(found, chord_A, atol=1e-3)
    assert reached_A == pytest.approx(10, abs=1e-3)
    steps = [float(row["rms_from_previous_A"]) for row in rows]
    np.testing.assert_allclose(steps, [0.0] + 999 * [chord_A[1]], atol=1e-4)


def test_without_clusters_it_is_said_that_there_are_none():
    random = np.random.default_rng(10)
    cloud = random.uniform(size=(50, 2)).astype(np.float32)
    axes = principal_axes(cloud)
    clusters = find_clusters(cloud, axes, "hdbscan", None, 8, 1)
    assert len(clusters.centres) == 0
    settings = LandscapeSettings(run=Path(), output=Path(), path=("c1,c2",))
    with pytest.raises(UserError, match="no cluster 'c1', none was found"):
        find_trajectories(settings, cloud, axes, clusters)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"path": ("1",)}, "has not two ends"),
        ({"path": ("1,401",)}, "no particle of 1 to 400"),
        ({"line": ("c1,c9",)}, "no cluster of c1 to c"),
        ({"line": ("5,5",)}, "begins where it ends"),
        ({"combine": ("left",)}, "does not name two regions"),
        ({"combine": ("left,right",)}, "no --region is called 'left'"),
        ({"region": ("left",)}, "--region 'left' has no name or no place"),
        ({"region": ("left=nowhere.mrc",)}, "nowhere.mrc does not exist"),
        ({"region": ("left=A:1-5",)}, "names residues but no model is known"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_written(arms, tmp_path, changed, message):
    with pytest.raises(UserError, match=message):
        arms("L", **changed)
    assert not (tmp_path / "L").exists()
