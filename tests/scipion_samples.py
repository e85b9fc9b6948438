"""A small molecule that bends, and particles of it: input of the Scipion tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gmmflex.engine.io.models import AtomicModel, write_models
from gmmflex.engine.io.star import read_star
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.simulate.stage import simulate

BOX_PX = 32
PIXEL_SIZE_A = 4.0


def bending_states(path: Path, n_states: int = 7, n_atoms: int = 160) -> None:
    """A globular base and an arm that turns by 60 degrees: one chain of Cα atoms, mmCIF."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=(n_atoms // 2, 3)) * [9.0, 9.0, 7.0]
    arm = np.zeros((n_atoms // 2, 3))
    arm[:, 2] = np.linspace(8.0, 44.0, n_atoms // 2)
    arm += rng.normal(size=arm.shape) * 3.0
    states = []
    for angle in np.deg2rad(np.linspace(-30.0, 30.0, n_states)):
        turn = np.array(
            [
                [np.cos(angle), 0.0, np.sin(angle)],
                [0.0, 1.0, 0.0],
                [-np.sin(angle), 0.0, np.cos(angle)],
            ]
        )
        states.append(_model(np.concatenate([base, arm @ turn.T])))
    write_models(path, states)


def bending_helix(path: Path, n_states: int = 7, n_atoms: int = 60) -> None:
    """A helix of Cα atoms with true bonds whose residues 31-60 turn by 60 degrees, mmCIF."""
    turn_of, height = np.deg2rad(100.0) * np.arange(n_atoms), 1.5 * np.arange(n_atoms)
    helix = np.stack([2.3 * np.cos(turn_of), 2.3 * np.sin(turn_of), height], axis=1)
    hinge = np.array([0.0, 0.0, height[n_atoms // 2]])
    states = []
    for angle in np.deg2rad(np.linspace(-30.0, 30.0, n_states)):
        turn = np.array(
            [
                [np.cos(angle), 0.0, np.sin(angle)],
                [0.0, 1.0, 0.0],
                [-np.sin(angle), 0.0, np.cos(angle)],
            ]
        )
        moved = helix.copy()
        moved[n_atoms // 2 :] = (helix[n_atoms // 2 :] - hinge) @ turn.T + hinge
        states.append(_model(moved))
    write_models(path, states)


def simulated(
    folder: Path,
    particles: int = 240,
    optics_groups: int = 2,
    make_states: Callable[[Path], None] = bending_states,
    **errors: float,
) -> Path:
    """Particles, star, consensus map, model and truth in `folder`, by the engine's simulator."""
    folder.mkdir(parents=True, exist_ok=True)
    states = folder / "states.cif"
    make_states(states)
    simulate(
        SimulateSettings(
            output=folder / "simulated",
            states=states,
            particles=particles,
            box_px=BOX_PX,
            pixel_size_A=PIXEL_SIZE_A,
            snr=0.5,
            optics_groups=optics_groups,
            voltage_kv=(300.0, 200.0)[:optics_groups],
            spherical_aberration_mm=(2.7, 1.4)[:optics_groups],
            amplitude_contrast=(0.1, 0.07)[:optics_groups],
            seed=5,
            **errors,
        )
    )
    return folder / "simulated"


def cryosparc_copy(simulated_folder: Path, path: Path) -> None:
    """The simulated particles as cryoSPARC would list them: one structured array, poses as
    rotation vectors, shifts in pixels, optics in every row, images counted from 0."""
    from scipy.spatial.transform import Rotation

    tables = read_star(simulated_folder / "particles.star")
    table, optics = tables["particles"].columns, tables["optics"].columns
    n = len(table["rlnImageName"])

    def numbers(label: str) -> np.ndarray:
        return table[label].astype(float)

    angles = np.stack([numbers(f"rlnAngle{axis}") for axis in ("Rot", "Tilt", "Psi")], axis=1)
    group = numbers("rlnOpticsGroup").astype(int) - 1
    stack = str(simulated_folder / "particles.mrcs")
    kinds = [
        ("uid", "<u8"),
        ("blob/path", f"S{len(stack)}"),
        ("blob/idx", "<u4"),
        ("blob/shape", "<u4", (2,)),
        ("blob/psize_A", "<f4"),
        ("blob/sign", "<f4"),
        ("alignments3D/pose", "<f4", (3,)),
        ("alignments3D/shift", "<f4", (2,)),
        ("alignments3D/psize_A", "<f4"),
        ("alignments3D/split", "<u4"),
        ("ctf/type", "S9"),
        ("ctf/exp_group_id", "<u4"),
        ("ctf/accel_kv", "<f4"),
        ("ctf/cs_mm", "<f4"),
        ("ctf/amp_contrast", "<f4"),
        ("ctf/df1_A", "<f4"),
        ("ctf/df2_A", "<f4"),
        ("ctf/df_angle_rad", "<f4"),
        ("ctf/phase_shift_rad", "<f4"),
    ]
    rows = np.zeros(n, dtype=kinds)
    rows["uid"] = np.random.default_rng(8).permutation(10**6)[:n] + 1
    rows["blob/path"] = stack.encode()
    names = table["rlnImageName"]
    rows["blob/idx"] = [int(str(name).split("@")[0]) - 1 for name in names]
    rows["blob/shape"] = BOX_PX
    rows["blob/psize_A"] = rows["alignments3D/psize_A"] = PIXEL_SIZE_A
    rows["blob/sign"] = 1.0
    # cryoSPARC's rotation goes from the image to the map
    rows["alignments3D/pose"] = Rotation.from_euler("ZYZ", angles, degrees=True).as_rotvec()
    for axis, label in enumerate(("rlnOriginXAngst", "rlnOriginYAngst")):
        rows["alignments3D/shift"][:, axis] = numbers(label) / PIXEL_SIZE_A
    rows["alignments3D/split"] = numbers("rlnRandomSubset").astype(int) - 1
    rows["ctf/type"] = b"spline"
    rows["ctf/exp_group_id"] = group + 1
    rows["ctf/accel_kv"] = optics["rlnVoltage"].astype(float)[group]
    rows["ctf/cs_mm"] = optics["rlnSphericalAberration"].astype(float)[group]
    rows["ctf/amp_contrast"] = optics["rlnAmplitudeContrast"].astype(float)[group]
    rows["ctf/df1_A"], rows["ctf/df2_A"] = numbers("rlnDefocusU"), numbers("rlnDefocusV")
    rows["ctf/df_angle_rad"] = np.deg2rad(numbers("rlnDefocusAngle"))
    with path.open("wb") as target:
        np.save(target, rows, allow_pickle=False)


def particle_set(database: Path, star: Path) -> Any:
    """A SetOfParticles of a star file, as the import protocol makes it."""
    from pwem.objects import SetOfParticles

    from gmmflex.convert.original_metadata import columns_from_star
    from gmmflex.convert.particles import fill_particle_set

    particles = SetOfParticles(filename=str(database))
    fill_particle_set(particles, columns_from_star(read_star(star)))
    particles.write()
    return particles


def _model(coordinates_A: np.ndarray) -> AtomicModel:
    n = len(coordinates_A)
    return AtomicModel(
        coordinates_A=coordinates_A,
        elements=np.full(n, "C"),
        atom_names=np.full(n, "CA"),
        residue_names=np.full(n, "ALA"),
        residue_numbers=np.arange(1, n + 1),
        insertion_codes=np.full(n, ""),
        chains=np.full(n, "A"),
        occupancies=np.ones(n),
        b_factors_A2=np.full(n, 30.0),
        is_hetero=np.zeros(n, dtype=bool),
    )
