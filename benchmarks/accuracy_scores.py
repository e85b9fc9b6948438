"""How far latents and moved models are from the truth of a simulated set: functions of arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsRegressor

from benchmarks.accuracy_motions import superpositions
from benchmarks.accuracy_sets import Course
from benchmarks.evaluate import circular_correlation, spearman_of_first_component
from gmmflex.engine.model.geometry.backbone import Backbone, bond_deviation_A

Floats = NDArray[np.float64]
_NEIGHBOURS = 50


@dataclass(frozen=True)
class MotionScores:
    """Moved models against true ones; Cα, over all particles.

    median_rmsd_A, high_rmsd_A: median and 90th percentile of the RMSD; unmoved_rmsd_A: median
    RMSD of the fitted model; gain: slope of predicted on true displacement about the particle
    means (1 is right, None without true motion); bond_deviation_A: RMS deviation of Cα–Cα
    distances from the fitted model's; body_angle_deg, body_shift_A: medians of how far each body
    is turned and shifted against the rest, of the worst body (None without bodies).
    """

    median_rmsd_A: float
    high_rmsd_A: float
    unmoved_rmsd_A: float
    gain: float | None
    bond_deviation_A: float
    body_angle_deg: float | None
    body_shift_A: float | None


def state_correlation(
    latents: NDArray[np.float32], parameters: Floats, course: Course
) -> float | None:
    """|Spearman| with the first component, or circular correlation with the first two's angle.

    parameters: (n, k) of each particle. None where the states are not in one order.
    """
    if course == "line":
        return spearman_of_first_component(latents, parameters[:, 0])
    if course == "circle":
        first_two = PCA(2).fit_transform(latents)
        found = np.arctan2(first_two[:, 1], first_two[:, 0])
        return circular_correlation(found, np.deg2rad(parameters[:, 0]))
    return None


def state_r2(latents: NDArray[np.float32], parameters: Floats, course: Course) -> float | None:
    """R² of the parameters of odd particles, from their 50 nearest even ones; the worst of several.

    An angle is scored by its cosine and sine together. None without motion.
    """
    if course == "none":
        return None
    aim = parameters
    if course == "circle":
        angle = np.deg2rad(parameters[:, 0])
        aim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    fit = KNeighborsRegressor(_NEIGHBOURS).fit(latents[::2], aim[::2])
    test, predicted = aim[1::2], fit.predict(latents[1::2])
    left = ((test - predicted) ** 2).sum(axis=0)
    total = ((test - test.mean(axis=0)) ** 2).sum(axis=0)
    if course == "circle":
        return float(1 - left.sum() / total.sum())
    return float((1 - left / total).min())


def motion_scores(
    blocks: Iterable[tuple[Floats, Floats]],
    fitted_A: Floats,
    bodies: dict[str, NDArray[np.bool_]],
    backbone: Backbone,
) -> MotionScores:
    """Scores of blocks of particles: moved and true coordinates, each (b, n, 3).

    fitted_A: (n, 3) the model before it is moved; bodies: atoms (n,) of each; the rest are the
    atoms in none.
    """
    rest = ~np.any(list(bodies.values()), axis=0) if bodies else np.ones(len(fitted_A), bool)
    rmsd, unmoved, angles, shifts = [], [], [], []
    slope = _Slope(fitted_A.shape)
    bonds = 0.0
    for moved_A, true_A in blocks:
        rmsd.append(_rmsd(moved_A, true_A))
        unmoved.append(_rmsd(fitted_A[None], true_A))
        slope.add(true_A - fitted_A, moved_A - fitted_A)
        bonds += float((bond_deviation_A(moved_A, backbone) ** 2).sum())
        errors = [body_errors(moved_A, true_A, body, rest) for body in bodies.values()]
        angles.append([angle for angle, _ in errors])
        shifts.append([shift for _, shift in errors])
    all_rmsd = np.concatenate(rmsd)
    return MotionScores(
        median_rmsd_A=float(np.median(all_rmsd)),
        high_rmsd_A=float(np.percentile(all_rmsd, 90)),
        unmoved_rmsd_A=float(np.median(np.concatenate(unmoved))),
        gain=slope.value(),
        bond_deviation_A=float(np.sqrt(bonds / len(all_rmsd))),
        body_angle_deg=_worst_median(angles) if bodies else None,
        body_shift_A=_worst_median(shifts) if bodies else None,
    )


def body_errors(
    moved_A: Floats, true_A: Floats, body: NDArray[np.bool_], rest: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """How far the body of each particle is turned (degrees) and shifted (Å), each (b,).

    The moved model is laid upon the true one by the rest; what then still brings the body onto
    the true body is a rotation, and a shift of its centre.
    """
    rotations, shifts_A = superpositions(moved_A[:, rest], true_A[:, rest])
    laid_A = moved_A[:, body] @ np.swapaxes(rotations, 1, 2) + shifts_A[:, None]
    still, _ = superpositions(laid_A, true_A[:, body])
    angles_deg = np.rad2deg(Rotation.from_matrix(still).magnitude())
    centre_A = laid_A.mean(axis=1) - true_A[:, body].mean(axis=1)
    return angles_deg, np.linalg.norm(centre_A, axis=-1)


class _Slope:
    """Regression of predicted on true displacement about their means, block by block."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._count = 0
        self._true, self._predicted = np.zeros(shape), np.zeros(shape)
        self._true_true = self._true_predicted = 0.0

    def add(self, true_A: Floats, predicted_A: Floats) -> None:
        self._count += len(true_A)
        self._true += true_A.sum(axis=0)
        self._predicted += predicted_A.sum(axis=0)
        self._true_true += float((true_A**2).sum())
        self._true_predicted += float((true_A * predicted_A).sum())

    def value(self) -> float | None:
        """None where the truth does not move: less than 0.001 Å."""
        within = self._true_true - float((self._true**2).sum()) / self._count
        if within <= 1e-6 * self._count * len(self._true):
            return None
        across = self._true_predicted - float((self._true * self._predicted).sum()) / self._count
        return across / within


def _rmsd(first_A: Floats, second_A: Floats) -> Floats:
    return np.asarray(np.sqrt(((first_A - second_A) ** 2).sum(axis=-1).mean(axis=-1)))


def _worst_median(blocks: list[list[Floats]]) -> float:
    by_body = [np.concatenate(values) for values in zip(*blocks, strict=True)]
    return max(float(np.median(values)) for values in by_body)
