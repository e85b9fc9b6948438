"""The spike trimer (6vxx, C3) with each receptor-binding domain up or down on its own.

    GMMFLEX_TEST_DATA=FOLDER python -m benchmarks.symmetric_spike [--seeds 1 2 3]
        [--decoders free rigid] [--work FOLDER]

Every fourth Cα of chain A, and its two symmetric copies; the domain of each (residues 330 to 528)
turns outwards about its hinge in steps from 0 to 40 degrees, independently of the others: 64
states. 2,000 particles of 64 px at 4 Å, SNR 0.1, CTF, shifts, uniform poses. Neutral mixture from
consensus map and model; `gmmflex heterogeneity --symmetry C3` with the free decoder, and with the
domain of chain A as a rigid body; everything else default. Prints |Spearman| between the first
principal component of the latents of each copy and the true angle of each of the three domains (the
copy's own, and the largest of the others), and the median Cα RMSD of the decoded unit to the true
one of each copy, brought to the place of chain A.
"""

from __future__ import annotations

import argparse
import os
import time
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from benchmarks.evaluate import silent
from gmmflex.engine.io.models import AtomicModel, read_model, write_models
from gmmflex.engine.motion.carried_model import morph_of
from gmmflex.engine.runs.results import read_run
from gmmflex.engine.settings.decoder_registry import decoder_spec
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.settings.simulate import SimulateSettings
from gmmflex.engine.stages.heterogeneity.stage import run_heterogeneity
from gmmflex.engine.stages.neutral.stage import run_neutral
from gmmflex.engine.stages.simulate.stage import simulate

_SUBUNITS = 3
_ANGLES_DEG = np.linspace(0.0, 40.0, 4)
_DOMAIN = (330, 528)
_HINGE = ((322, 329), (529, 536))
_STRIDE = 4


def spike_states(path: Path) -> list[AtomicModel]:
    """All 64 combinations of the three angles; state i has levels i // 16, i // 4 % 4, i % 4."""
    whole = read_model(path)
    trace = whole.subset(whole.alpha_carbons())
    axis_A = trace.coordinates_A.mean(axis=0) * [1, 1, 0]
    one = trace.subset(trace.chains == "A")
    number = one.residue_numbers
    start_A = one.coordinates_A - axis_A
    domain = (number >= _DOMAIN[0]) & (number <= _DOMAIN[1])
    at_hinge = np.any([(number >= low) & (number <= high) for low, high in _HINGE], axis=0)
    hinge_A = start_A[at_hinge].mean(axis=0)
    upwards = np.sign(start_A[domain, 2].mean() - start_A[:, 2].mean())
    # About the tangent through the hinge the domain goes up and outwards.
    tangent = np.cross([0, 0, upwards], hinge_A * [1, 1, 0])
    tangent /= np.linalg.norm(tangent)
    turned = []
    for angle in _ANGLES_DEG:
        moved = start_A.copy()
        turn = Rotation.from_rotvec(np.deg2rad(angle) * tangent)
        moved[domain] = turn.apply(start_A[domain] - hinge_A) + hinge_A
        turned.append(moved[::_STRIDE])
    about_z = [Rotation.from_euler("z", 120 * k, degrees=True) for k in range(_SUBUNITS)]
    small = one.subset(np.arange(0, len(one), _STRIDE))
    return [
        _joined(small, [about_z[k].apply(turned[level]) for k, level in enumerate(levels)])
        for levels in product(range(len(_ANGLES_DEG)), repeat=_SUBUNITS)
    ]


def _joined(one: AtomicModel, parts_A: list[NDArray[np.float64]]) -> AtomicModel:
    repeated = {name: np.concatenate([v] * _SUBUNITS) for name, v in vars(one).items()}
    chains = np.repeat(list("ABC"), len(one))
    zero = np.zeros(len(chains))
    coordinates_A = np.concatenate(parts_A)
    changed = {"coordinates_A": coordinates_A, "chains": chains, "b_factors_A2": zero}
    return AtomicModel(**{**repeated, **changed})


def simulated_spike(folder: Path, states: list[AtomicModel], particles: int, seed: int) -> Path:
    """Simulate the set unless it is there already."""
    output = folder / f"simulated_{particles}_{seed}"
    if not (output / "summary.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_models(folder / "states.cif", states)
        level = len(_ANGLES_DEG) // 2
        symmetric = level * (1 + len(_ANGLES_DEG) + len(_ANGLES_DEG) ** 2)
        simulate(
            SimulateSettings(
                output=output,
                states=folder / "states.cif",
                model_state=symmetric + 1,
                particles=particles,
                box_px=64,
                pixel_size_A=4.0,
                snr=0.1,
                seed=seed,
                overwrite=True,
            )
        )
    return output


def levels_of(state: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) states → (n, 3) level of each subunit."""
    n = len(_ANGLES_DEG)
    return np.stack([state // n ** (_SUBUNITS - 1 - k) % n for k in range(_SUBUNITS)], axis=1)


def correlations(latents: NDArray[np.float32], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(copies, subunits) |Spearman|; latents: (n·S, d), copies of a particle side by side."""
    first = PCA(1).fit_transform(latents)[:, 0].reshape(len(levels), -1)
    return np.array(
        [[abs(float(spearmanr(copy, level)[0])) for level in levels.T] for copy in first.T]
    )


def unit_rmsd_A(run: Path, simulated: Path, levels: NDArray[np.int64]) -> tuple[float, float]:
    """Median over all copies of the Cα RMSD of chain A, moved as decoded, to the true subunit of
    the copy in chain A's place; the same without any motion."""
    results, model = read_run(run), read_model(simulated / "model.cif")
    truth = np.load(simulated / "truth.npz", allow_pickle=False)
    n_one = len(model.alpha_carbons()) // _SUBUNITS
    n = len(_ANGLES_DEG)
    # Chain A alone differs between the states 0, 16, 32 and 48.
    at_level_A = truth["state_coordinates_A"][:: n**2, :n_one]
    true_A = at_level_A[levels.ravel()]
    batches = morph_of(results, model).alpha_carbon_batches(results.latents)
    found_A = np.concatenate([batch[:, :n_one] for batch in batches])
    rest_A = model.coordinates_A[model.alpha_carbons()][:n_one]
    moved, unmoved = (
        np.sqrt(((coordinates_A - true_A) ** 2).sum(-1).mean(-1))
        for coordinates_A in (found_A, rest_A)
    )
    return float(np.median(moved)), float(np.median(unmoved))


def build_neutral(folder: Path, simulated: Path, seed: int) -> Path:
    """The neutral mixture of one set."""
    output = folder / f"neutral_{seed}"
    run_neutral(
        NeutralSettings(
            output=output,
            map=simulated / "consensus.mrc",
            model=simulated / "model.cif",
            resolution_A=10.0,
            seed=seed,
            threads=1,
        ),
        overwrite=True,
        log=silent,
    )
    return output


def run(folder: Path, simulated: Path, seed: int, decoder: str) -> dict[str, float]:
    """Analysis of one set; its figures."""
    moves = decoder_spec(decoder).moves_bodies
    bodies = (f"domain=A:{_DOMAIN[0]}-{_DOMAIN[1]}",) if moves else ()
    start, cpu = time.monotonic(), time.process_time()
    output = folder / f"run_{decoder}_{seed}"
    run_heterogeneity(
        HeterogeneitySettings(
            particles=simulated / "particles.star",
            neutral=folder / f"neutral_{seed}",
            output=output,
            symmetry="C3",
            decoder=decoder,
            bodies=bodies,
            seed=seed,
            threads=1,
        ),
        overwrite=True,
        log=silent,
    )
    seconds, cpu_seconds = time.monotonic() - start, time.process_time() - cpu
    state = np.load(simulated / "truth.npz", allow_pickle=False)["state"]
    latents = np.load(output / "latents.npy", allow_pickle=False)
    found = correlations(latents, levels_of(state))
    rmsd_A, unmoved_A = unit_rmsd_A(output, simulated, levels_of(state))
    own = np.eye(_SUBUNITS, dtype=bool)
    return {
        "own domain, least": float(found[own].min()),
        "own domain, mean": float(found[own].mean()),
        "other domains, largest": float(found[~own].max()),
        "RMSD (A)": rmsd_A,
        "unmoved (A)": unmoved_A,
        "analysis (s)": seconds,
        "CPU (s)": cpu_seconds,
    }


def main() -> None:
    """Run all seeds and decoders and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--decoders", nargs="+", default=["free", "rigid"])
    parser.add_argument("--particles", type=int, default=2000)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/symmetric_spike"))
    options = parser.parse_args()
    source = Path(os.environ.get("GMMFLEX_TEST_DATA", "")) / "models" / "6vxx.pdb.gz"
    if not source.is_file():
        print("not run: GMMFLEX_TEST_DATA names no folder with models/6vxx.pdb.gz")
        return
    states = spike_states(source)
    for seed in options.seeds:
        simulated = simulated_spike(options.work, states, options.particles, seed)
        build_neutral(options.work, simulated, seed)
        for decoder in options.decoders:
            figures = run(options.work, simulated, seed, decoder)
            shown = "  ".join(f"{key} {value:.3f}" for key, value in figures.items())
            print(f"spike, C3, seed {seed}, {decoder}: {shown}", flush=True)


if __name__ == "__main__":
    main()
