"""From RELION and back: its files are read as they are, and it takes ours as they are.

RELION is a system package (scripts/system-packages.txt).
"""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from MDAnalysisTests.datafiles import DCD, PSF
from scipy.spatial.transform import Rotation

from benchmarks.relion_chain.frame import Frame, Poses, errors, frame_of
from benchmarks.relion_chain.programs import RECONSTRUCT, run_relion
from benchmarks.relion_chain.refinement import Refined, Search, refined_for, wrong_start
from gmmflex.engine.io.particles import read_particles
from gmmflex.engine.io.star import read_star
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.settings.poses import PosesSettings
from gmmflex.engine.settings.select import SelectSettings
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.info.stage import describe
from gmmflex.engine.stages.neutral.stage import run_neutral
from gmmflex.engine.stages.poses.stage import run_poses
from gmmflex.engine.stages.select.stage import run_select
from gmmflex.engine.stages.simulate.stage import simulate

PARTICLES, BOX, PIXEL_A, SEED = 300, 40, 3.0, 1
ANGLE_DEG, SHIFT_A = 8.0, 3.0
SEARCH = Search(diameter_A=90.0, start_resolution_A=12.0, order=4, prior_deg=4.0, seed=SEED)


def _silent(_: str) -> None:
    """What a stage has to say."""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adenylate kinase as it closes, in two optics groups."""
    print(f"seed {SEED}")
    folder = tmp_path_factory.mktemp("kinase") / "set"
    simulate(
        SimulateSettings(
            output=folder,
            topology=Path(PSF),
            trajectory=Path(DCD),
            stride=5,
            particles=PARTICLES,
            box_px=BOX,
            pixel_size_A=PIXEL_A,
            snr=3.0,
            optics_groups=2,
            voltage_kv=(300.0, 200.0),
            amplitude_contrast=(0.1, 0.07),
            seed=SEED,
        ),
        log=_silent,
    )
    return folder


@pytest.fixture(scope="module")
def project(simulated: Path) -> Path:
    """RELION's project folder, where image names begin."""
    folder = simulated.parent / "project"
    wrong_start(simulated, folder, ANGLE_DEG, SHIFT_A, SEED)
    return folder


@pytest.fixture(scope="module")
def refined(simulated: Path, project: Path) -> Refined:
    return refined_for(project, simulated / "consensus.mrc", SEARCH, iterations=2)


@pytest.fixture(scope="module")
def analysed(simulated: Path, project: Path, refined: Refined) -> Path:
    """An analysis of RELION's particles and map, as short as one can be."""
    neutral, output = project / "neutral", project / "run"
    run_neutral(
        NeutralSettings(
            output=neutral, map=refined.map, model=simulated / "model.cif", threads=1, device="cpu"
        ),
        log=_silent,
    )
    run_heterogeneity(
        HeterogeneitySettings(
            particles=refined.star,
            neutral=neutral,
            output=output,
            resolution_A=12.0,
            latent_dim=2,
            epochs=2,
            threads=1,
            device="cpu",
        ),
        log=_silent,
    )
    return output


def _truth(simulated: Path) -> dict[str, np.ndarray]:
    with np.load(simulated / "truth.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def _correlation(first: Path, second: Path) -> float:
    """Of two maps within 45 Å of the centre."""
    with mrcfile.open(first) as one, mrcfile.open(second) as two:
        distance = np.linalg.norm(np.indices(one.data.shape) - BOX // 2, axis=0)
        inside = distance * PIXEL_A < 45.0
        return float(np.corrcoef(one.data[inside], two.data[inside])[0, 1])


def _reconstructed(star: Path, project: Path) -> Path:
    """By RELION, of the particles in a star file as it is."""
    output = star.with_suffix(".mrc")
    words = [RECONSTRUCT, "--i", star, "--o", output, "--ctf", "--pad", "2"]
    run_relion(words, project, star.with_suffix(".log"))
    return output


def _through_star_handler(star: Path, project: Path, *words: str) -> Path:
    output = star.with_name(f"{star.stem}_handled.star")
    arguments = ["relion_star_handler", "--i", star, "--o", output, *words]
    run_relion(arguments, project, star.with_suffix(".log"))
    return output


@pytest.mark.relion
@pytest.mark.slow
def test_what_relion_refined_is_read_as_relion_means_it(simulated: Path, refined: Refined) -> None:
    truth = _truth(simulated)
    found = read_particles(refined.star)
    np.testing.assert_array_equal(found.half_set, truth["half_set"])
    np.testing.assert_array_equal(found.optics_group, truth["optics_group"])
    for name, values in vars(found.ctf).items():
        np.testing.assert_allclose(values, truth[name], atol=1e-4, err_msg=name)
    # The images are found from the folder in which RELION ran, one above the star file's.
    assert found.read_images(np.array([7])).shape == (1, BOX, BOX)

    true = Poses(truth["rotation"], truth["origin_A"])
    refined_poses = Poses(found.rotations, found.origins_A)
    given = read_particles(refined.star.parents[1] / "particles.star")
    before = errors(Poses(given.rotations, given.origins_A), true)
    after = errors(refined_poses, frame_of(refined_poses, true).poses(true))
    medians = [np.median(values) for values in (*before, *after)]
    print("median errors before, after:", medians)
    # RELION has improved what it was given, in our reading of its angles and origins.
    assert medians[2] < medians[0] and medians[3] < 0.5 * medians[1]

    described = describe(refined.star)
    rows = dict(described.rows)
    halves = np.bincount(truth["half_set"])[1:]
    assert described.kind == "particles, RELION 3.1+ star"
    assert rows["particles"] == str(PARTICLES)
    assert rows["half sets"] == f"{halves[0]} and {halves[1]}"
    assert rows["image stacks"] == "1 of 1 found"


@pytest.mark.relion
@pytest.mark.slow
def test_relion_reconstructs_from_refined_poses(
    simulated: Path, project: Path, refined: Refined, analysed: Path
) -> None:
    output = project / "poses"
    run_poses(PosesSettings(run=analysed, output=output, threads=1, device="cpu"), log=_silent)
    ours = output / "particles.star"
    consensus = simulated / "consensus.mrc"
    agreement = {
        name: _correlation(_reconstructed(star, project), consensus)
        for name, star in (
            ("start", project / "particles.star"),
            ("RELION", refined.star),
            ("gmmflex", ours),
        )
    }
    print("correlation with the consensus:", agreement)
    assert agreement["gmmflex"] > agreement["start"]
    assert agreement["gmmflex"] > 0.9
    _same_after_star_handler(ours, project)


@pytest.mark.relion
@pytest.mark.slow
def test_relion_takes_a_selection(simulated: Path, project: Path, analysed: Path) -> None:
    chosen = project / "chosen.star"
    run_select(SelectSettings(source=analysed, output=chosen, random=200, seed=SEED), log=_silent)
    agreement = _correlation(_reconstructed(chosen, project), simulated / "consensus.mrc")
    print("correlation with the consensus:", agreement)
    assert agreement > 0.85
    _same_after_star_handler(chosen, project)
    first_half = _through_star_handler(
        chosen, project, "--select", "rlnRandomSubset", "--minval", "1", "--maxval", "1"
    )
    asked = read_star(chosen)["particles"].columns
    kept = read_star(first_half)["particles"].columns["rlnImageName"]
    wanted = asked["rlnImageName"][asked["rlnRandomSubset"] == "1"]
    np.testing.assert_array_equal(kept, wanted)


def _same_after_star_handler(star: Path, project: Path) -> None:
    """Nothing that we read gets lost when RELION reads a file and writes it again."""
    handled = _through_star_handler(star, project, "--remove_column", "rlnNormCorrection")
    ours, theirs = read_particles(star), read_particles(handled)
    np.testing.assert_array_equal(ours.image_names, theirs.image_names)
    np.testing.assert_allclose(ours.rotations, theirs.rotations, atol=1e-6)
    np.testing.assert_allclose(ours.origins_A, theirs.origins_A, atol=1e-4)
    np.testing.assert_array_equal(ours.half_set, theirs.half_set)
    np.testing.assert_array_equal(ours.optics_group, theirs.optics_group)
    columns = set(read_star(star)["particles"].columns)
    assert set(read_star(handled)["particles"].columns) == columns - {"rlnNormCorrection"}


def test_the_frame_of_a_map_is_found_beside_errors_and_junk() -> None:
    print(f"seed {SEED}")
    random = np.random.default_rng(SEED)
    n = 2000
    true = Poses(
        Rotation.random(n, random_state=random).as_matrix(), random.normal(0, 2, size=(n, 2))
    )
    frame = Frame(Rotation.from_rotvec([0.1, -0.2, 0.3]).as_matrix(), np.array([1.5, -2.0, 0.7]))
    # A point of the molecule appears at the same place of each image in both frames.
    point_A = np.array([[11.0, -7.0, 23.0]]) + 60.0
    expected = frame.poses(true)
    in_map_A = frame.placed(point_A, 60.0)[0] - 60.0
    seen = (true.rotations @ (point_A[0] - 60.0))[:, :2] - true.origins_A
    np.testing.assert_allclose(
        (expected.rotations @ in_map_A)[:, :2] - expected.origins_A, seen, atol=1e-9
    )

    turns = Rotation.from_rotvec(random.normal(0, np.deg2rad(2.0), (n, 3))).as_matrix()
    rotations = turns @ expected.rotations
    rotations[::10] = Rotation.random(n // 10, random_state=random).as_matrix()
    found = Poses(rotations, expected.origins_A + random.normal(0, 1, (n, 2)))
    estimate = frame_of(found, true)
    off = Rotation.from_matrix(estimate.rotation @ frame.rotation.T).magnitude()
    assert np.rad2deg(off) < 0.3
    np.testing.assert_allclose(estimate.shift_A, frame.shift_A, atol=0.15)
