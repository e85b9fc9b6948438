"""Whether undoing the motion made the map better, judged where the motion has not been learnt from.

Latents and decoder were fitted to both half sets, but only to rings up to the resolution of the
run. A latent that follows noise of its image moves that noise to where other particles' noise was
moved to, so that half maps agree in what is not there, but only in those rings: the noise of finer
shells is independent of it. There an agreement that grows is signal, and wrong motion smears. What
was learnt from is cut away before anything is moved or masked: a motion that breaks off between
domains makes fine detail of coarse signal, alike in both halves, and a mask mixes shells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gmmflex.engine.machine.progress import Log
from gmmflex.engine.reconstruction.half_maps import shells_scaled
from gmmflex.engine.reconstruction.maps import shell_correlation_of

HalfMaps = tuple[NDArray[np.float32], NDArray[np.float32]]

# Images are inserted with a reach of half a step: shells begin this far beyond the last ring seen.
_BEYOND = 2
# Fewer shells tell nothing.
_FEWEST_SHELLS = 3
# A gain counts from so many of its standard errors on.
_ERRORS = 2.0


@dataclass(frozen=True)
class Gain:
    """Mean FSC of the halves over some shells, without and with motion undone, and the standard
    error of the difference (an upper bound: both maps hold the same noise)."""

    consensus: float
    deformed: float
    error: float

    @property
    def gain(self) -> float:
        return self.deformed - self.consensus


@dataclass(frozen=True)
class UnseenShells:
    """Shells of a box of `extent_A` that a run has not looked at: `cut` is the last one that is cut
    away, `first` the first and `last` the last one that is judged by. held_out: whether they are
    that; if hardly any is left, all shells are judged by and none is cut."""

    extent_A: float
    cut: int
    first: int
    last: int
    held_out: bool

    def alone(self, density: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a map holds in shells that are not cut away."""
        if not self.held_out:
            return density
        kept = torch.ones(self.last + 1, dtype=torch.float64)
        kept[: self.cut + 1] = 0
        return np.asarray(shells_scaled(torch.from_numpy(density), kept), dtype=np.float32)


def unseen_shells(extent_A: float, last: int, learnt_to_A: float) -> UnseenShells:
    """Of a box of some extent with shells 1 … last; learnt_to_A: resolution of the run."""
    seen = int(np.ceil(extent_A / learnt_to_A - 1e-3))
    held_out = last - (seen + _BEYOND) + 1 >= _FEWEST_SHELLS
    cut, first = (seen, seen + _BEYOND) if held_out else (0, 1)
    return UnseenShells(extent_A, cut, first, last, held_out)


@dataclass(frozen=True)
class Verdict:
    """recommended: "deformed" or "consensus". held_out: whether the shells that tell are finer
    than what the motion was learnt from; shells_A: from and to."""

    recommended: str
    held_out: bool
    shells_A: tuple[float, float]
    molecule: Gain
    moving: Gain

    def summary(self) -> dict[str, Any]:
        regions = {"molecule": self.molecule, "moving": self.moving}
        return {
            "recommended": self.recommended,
            "evidence": {
                "held_out": self.held_out,
                "shells_A": list(self.shells_A),
                **{name: {**vars(found), "gain": found.gain} for name, found in regions.items()},
            },
        }


def verdict_of(
    plain: HalfMaps,
    undone: HalfMaps,
    molecule: NDArray[np.float32] | None,
    moving: NDArray[np.float32],
    shells: UnseenShells,
    copies: int = 1,
) -> Verdict:
    """Compare the consensus and the map with motion undone.

    plain, undone: half maps of the unseen shells alone, see `UnseenShells.alone`. molecule, moving:
    masks (None: the whole box). copies: of each image, where particles are
    expanded by symmetry; all of them hold the same noise, which shows in the molecule as a whole.
    """

    def gain_in(mask: NDArray[np.float32] | None, alike: int) -> Gain:
        curves = [_curve(halves, mask, shells) for halves in (plain, undone)]
        share = (1.0 if mask is None else _effective_share(mask)) / alike
        variance = sum(_variance(curve, shells.first, share) for curve in curves)
        consensus, deformed = (float(curve.mean()) for curve in curves)
        return Gain(consensus, deformed, float(np.sqrt(variance)))

    of_molecule, of_moving = gain_in(molecule, copies), gain_in(moving, 1)
    better = of_moving.gain > _ERRORS * of_moving.error
    harmed = of_molecule.gain < -_ERRORS * of_molecule.error
    return Verdict(
        "deformed" if better and not harmed else "consensus",
        shells.held_out,
        (shells.extent_A / shells.first, shells.extent_A / shells.last),
        of_molecule,
        of_moving,
    )


def tell(verdict: Verdict, log: Log) -> None:
    """The last lines of the command."""
    begins_A, ends_A = verdict.shells_A
    where = (
        f"from {begins_A:.2f} to {ends_A:.2f} A, finer than what the motion was learnt from,"
        if verdict.held_out
        else f"in all shells to {ends_A:.2f} A"
    )
    moving, molecule = verdict.moving, verdict.molecule
    log(
        f"{where} halves agree in the moving part by {moving.consensus:.3f} and with motion undone "
        f"by {moving.deformed:.3f} (gain {moving.gain:+.3f}, error {moving.error:.3f}); in the "
        f"molecule by {molecule.consensus:.3f} and {molecule.deformed:.3f}"
    )
    if verdict.recommended == "deformed":
        log("recommended: deformed.mrc, with motion undone")
    else:
        log("recommended: consensus.mrc; undoing the motion brings no significant gain here")
    if not verdict.held_out:
        log(
            "  the motion was learnt from these shells, so this is not independent evidence: run "
            "'gmmflex heterogeneity' with a coarser --resolution to obtain it"
        )


def _curve(
    halves: HalfMaps, mask: NDArray[np.float32] | None, shells: UnseenShells
) -> NDArray[np.float64]:
    """FSC of the halves inside the mask in the shells that show it."""
    first, second = (half if mask is None else half * mask for half in halves)
    return shell_correlation_of(first, second)[shells.first - 1 : shells.last]


def _effective_share(mask: NDArray[np.float32]) -> float:
    """Of the box, that a soft mask leaves independent."""
    squares = mask.astype(np.float64) ** 2
    return float(squares.sum() ** 2 / (squares**2).sum() / mask.size)


def _variance(curve: NDArray[np.float64], first: int, share: float) -> float:
    """Of the mean of an FSC over its shells, the first of which is `first`.

    That of a correlation F of n real numbers is (1 − F²)²/n; half of a shell's coefficients are
    independent, and of these the share that the mask leaves.
    """
    shells = np.arange(first, first + len(curve))
    numbers = np.maximum(4 * np.pi * shells**2 * share, 1.0)
    return float(((1 - curve**2) ** 2 / numbers).sum() / len(curve) ** 2)
