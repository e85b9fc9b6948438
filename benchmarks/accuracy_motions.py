"""Known motions: turns about a hinge, and the way from one structure to another by its domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]
Atoms = NDArray[np.bool_]


@dataclass(frozen=True)
class Placement:
    """A rigid motion x → rotation x + shift_A; rotation (3, 3), shift_A (3,)."""

    rotation: Floats
    shift_A: Floats

    def __call__(self, coordinates_A: Floats) -> Floats:
        """Moved coordinates (n, 3)."""
        return np.asarray(coordinates_A @ self.rotation.T + self.shift_A)

    def after(self, first: Placement) -> Placement:
        """`first`, then this one."""
        return Placement(self.rotation @ first.rotation, self(first.shift_A[None])[0])

    def inverse(self) -> Placement:
        """The motion back."""
        return Placement(self.rotation.T, -self.rotation.T @ self.shift_A)

    @property
    def angle_deg(self) -> float:
        """How far it turns."""
        return float(np.rad2deg(Rotation.from_matrix(self.rotation).magnitude()))


@dataclass(frozen=True)
class Domain:
    """Atoms (n,) that move as one; parent: the name of the domain that they hang on."""

    atoms: Atoms
    parent: str | None


def turn(hinge_A: Floats, axis: Floats, angle_deg: float) -> Placement:
    """A turn about the line through `hinge_A` (3,) along `axis` (3,), right-handed."""
    direction = np.asarray(axis) / np.linalg.norm(axis)
    rotation = Rotation.from_rotvec(np.deg2rad(angle_deg) * direction).as_matrix()
    return Placement(rotation, hinge_A - rotation @ hinge_A)


def superposition(coordinates_A: Floats, onto_A: Floats) -> Placement:
    """The rigid motion of (n, 3) that brings them nearest to (n, 3), least squares (Kabsch)."""
    rotations, shifts_A = superpositions(coordinates_A[None], onto_A[None])
    return Placement(rotations[0], shifts_A[0])


def superpositions(coordinates_A: Floats, onto_A: Floats) -> tuple[Floats, Floats]:
    """Rotations (b, 3, 3) and shifts (b, 3) that bring (b, n, 3) nearest to (b, n, 3)."""
    centre_A, onto_centre_A = coordinates_A.mean(axis=1), onto_A.mean(axis=1)
    covariance = np.swapaxes(onto_A - onto_centre_A[:, None], 1, 2) @ (
        coordinates_A - centre_A[:, None]
    )
    u, _, vt = np.linalg.svd(covariance)
    # No mirror images.
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    rotations = u @ vt
    return rotations, onto_centre_A - (rotations @ centre_A[..., None])[..., 0]


def part_of_the_way(placement: Placement, fraction: float) -> Placement:
    """The same screw, turned and advanced by a fraction only.

    Every rigid motion is a turn about a line and a shift along it (Chasles), so that what lies
    on a hinge stays on it all the way.
    """
    vector = Rotation.from_matrix(placement.rotation).as_rotvec()
    angle = np.linalg.norm(vector)
    if angle < 1e-6:
        return Placement(np.eye(3), fraction * placement.shift_A)
    axis = vector / angle
    along_A = (placement.shift_A @ axis) * axis
    # (1 − R) point = shift across the axis, solved in the plane across it.
    point_A = np.linalg.pinv(np.eye(3) - placement.rotation) @ (placement.shift_A - along_A)
    turned = turn(point_A, axis, fraction * np.rad2deg(angle))
    return Placement(turned.rotation, turned.shift_A + fraction * along_A)


def domains_on_their_way(
    start_A: Floats, end_A: Floats, domains: dict[str, Domain], fractions: Sequence[float]
) -> list[Floats]:
    """Coordinates (n, 3) at each fraction of the way from one structure to another.

    Each domain goes along its screw relative to its parent; what a domain changes within itself
    goes straight, in the domain's own frame. Fraction 0 is the start. At 1 the root domains lie
    where they began and all else lies about them as in the end structure. Parents come first.
    """
    whole = {
        name: superposition(start_A[domain.atoms], end_A[domain.atoms])
        for name, domain in domains.items()
    }
    states = []
    for fraction in fractions:
        coordinates_A = np.empty_like(start_A)
        placed: dict[str, Placement] = {}
        for name, domain in domains.items():
            if domain.parent is None:
                placed[name] = Placement(np.eye(3), np.zeros(3))
            else:
                relative = whole[domain.parent].inverse().after(whole[name])
                placed[name] = placed[domain.parent].after(part_of_the_way(relative, fraction))
            own_A = start_A[domain.atoms]
            within_A = whole[name].inverse()(end_A[domain.atoms]) - own_A
            coordinates_A[domain.atoms] = placed[name](own_A + fraction * within_A)
        states.append(coordinates_A)
    return states
