"""Motion against the truth in the frame of RELION's map: with the whole, and inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy_motions import superpositions
from benchmarks.accuracy_scores import MotionScores, motion_scores
from benchmarks.evaluate import spearman_of_first_component
from benchmarks.relion_chain.frame import Frame, Poses
from gmmflex.engine.io.models import AtomicModel, read_model, select_atoms, write_models
from gmmflex.engine.model.geometry.backbone import backbone_of
from gmmflex.engine.motion.carried_model import morph_of
from gmmflex.engine.runs.results import read_run

Floats = NDArray[np.float64]
_BLOCK = 500


@dataclass(frozen=True)
class Truth:
    """What each particle shows, in the frame of a map.

    poses: of all particles; molecule (n,): those that show the molecule in about its pose;
    state (n,); states_A (S, r, 3): Cα of each state.
    """

    poses: Poses
    molecule: NDArray[np.bool_]
    state: NDArray[np.int64]
    states_A: Floats
    centre_A: float

    def in_frame(self, frame: Frame) -> Truth:
        """The same beside a map in another frame."""
        return Truth(
            frame.poses(self.poses),
            self.molecule,
            self.state,
            frame.placed(self.states_A, self.centre_A),
            self.centre_A,
        )


@dataclass(frozen=True)
class ChainScores:
    """Over the particles that show the molecule; `inside`: after each true model is laid on the
    fitted one, and each moved model on its true one, by the part that does not move."""

    whole: MotionScores
    inside: MotionScores
    spearman: float | None


@dataclass(frozen=True)
class Moved:
    """Cα (n, r, 3) of each particle's model; parameters (n, k): what says how it has moved."""

    coordinates_A: Floats
    parameters: NDArray[np.float32]


def truth_of(simulated: Path, rows: NDArray[np.int64]) -> Truth:
    """Of these images (n,) of the stack, in the frame of the consensus."""
    with np.load(simulated / "truth.npz", allow_pickle=False) as truth:
        return Truth(
            Poses(truth["rotation"][rows], truth["origin_A"][rows]),
            truth["kind"][rows] == 0,
            truth["state"][rows],
            truth["state_coordinates_A"],
            float(truth["box_px"] // 2 * truth["pixel_size_A"]),
        )


def write_placed_model(simulated: Path, truth: Truth, frame: Frame, path: Path) -> None:
    """The fitted model as somebody would fit it into the map."""
    model = read_model(simulated / "model.cif")
    placed = model.with_coordinates(frame.placed(model.coordinates_A, truth.centre_A))
    write_models(path, [placed])


def chain_scores(model: Path, truth: Truth, run: Path, bodies: dict[str, str]) -> ChainScores:
    """Scores of the fitted model, moved as `gmmflex morph` moves it at each particle's latent."""
    fitted = alpha_carbons(model)
    results = read_run(run)
    moved_A = np.concatenate(list(morph_of(results, fitted).alpha_carbon_batches(results.latents)))
    return scores_of_moved(fitted, Moved(moved_A, results.latents), truth, bodies)


def alpha_carbons(model: Path) -> AtomicModel:
    """The Cα of a model file."""
    whole = read_model(model)
    return whole.subset(whole.alpha_carbons())


def scores_of_moved(
    fitted: AtomicModel, moved: Moved, truth: Truth, bodies: dict[str, str]
) -> ChainScores:
    """Scores of models that any program has moved; fitted: the Cα before that."""
    moved_A = moved.coordinates_A[truth.molecule]
    state = truth.state[truth.molecule]
    chosen = {name: select_atoms(fitted, residues) for name, residues in bodies.items()}
    rest = ~np.any(list(chosen.values()), axis=0)
    fitted_A, backbone = fitted.coordinates_A, backbone_of(fitted)
    whole = _blocks(moved_A, truth.states_A, state)
    laid = _blocks(moved_A, laid_upon(truth.states_A, fitted_A[None], rest), state)
    inside = ((laid_upon(moved, true, rest), true) for moved, true in laid)
    moving = len(set(state.tolist())) > 1
    parameters = moved.parameters[truth.molecule]
    return ChainScores(
        motion_scores(whole, fitted_A, chosen, backbone),
        motion_scores(inside, fitted_A, chosen, backbone),
        spearman_of_first_component(parameters, state) if moving else None,
    )


def laid_upon(models_A: Floats, onto_A: Floats, part: NDArray[np.bool_]) -> Floats:
    """(b, n, 3) models after the rigid motion that brings their part (n,) upon that of others."""
    onto_A = np.broadcast_to(onto_A, models_A.shape)
    rotations, shifts_A = superpositions(models_A[:, part], onto_A[:, part])
    return np.asarray(models_A @ np.swapaxes(rotations, 1, 2) + shifts_A[:, None])


def _blocks(
    moved_A: Floats, states_A: Floats, state: NDArray[np.int64]
) -> Iterator[tuple[Floats, Floats]]:
    for start in range(0, len(moved_A), _BLOCK):
        rows = slice(start, start + _BLOCK)
        yield moved_A[rows], states_A[state[rows]]
