"""The agreement of particles and map, in words."""

from __future__ import annotations

from dataclasses import dataclass

from gmmflex.engine.agreement.agreement import Agreement, Tried, difference, standard_error
from gmmflex.engine.agreement.hypotheses import PIXEL_CAUSES

FITS = "all fits"
CONTRAST = "contrast"
ORIENTATIONS = "orientations"
NO_CORRELATION = "no correlation"
UNDECIDED = "undecided"

# Standard errors by which something must differ to be reported, and to be ruled out beside it.
_SIGNIFICANT, _RULED_OUT = 5.0, 3.0
# Least gain worth a word, as a share of the agreement that the poses bring about; of pixel sizes,
# which tell only in fine detail, the least error.
_WORTH_SAYING, _WRONG_SIZE = 0.02, 0.015
# Poses that bring about less than this share of the agreement are not those of these particles.
_POSES_MATTER = 0.15


@dataclass(frozen=True)
class Verdict:
    """causes: what is wrong, the most likely first; more than one where they cannot be told apart
    or come together. sentence: for people, with what to do."""

    causes: tuple[str, ...]
    sentence: str

    @property
    def fits(self) -> bool:
        return self.causes == (FITS,)

    @property
    def is_fault(self) -> bool:
        """Something is wrong that the analysis cannot allow for by itself, as it can for dark
        particles."""
        return not self.fits and self.causes not in ((CONTRAST,), (UNDECIDED,))


def verdict(found: Agreement) -> Verdict:
    """Name the likely fault; none where the evidence is weak."""
    best, given = found.best, found.as_they_are
    if best.score < _SIGNIFICANT * best.error:
        return Verdict((NO_CORRELATION,), _nothing_seen(best))
    if difference(found.in_order, found.in_disorder) < _SIGNIFICANT:
        return _without_poses(found)
    if difference(best, given) >= _SIGNIFICANT and _worth_saying(found):
        return _fault(found)
    return _dark(found) if given.sign < 0 else Verdict((FITS,), f"{_FIT} ({_figures(found)})")


_FIT = "poses, CTF and pixel size fit together"


def _worth_saying(found: Agreement) -> bool:
    best, change = found.best, found.best.hypothesis.change
    if best.hypothesis.cause in PIXEL_CAUSES:
        return abs(change.particle_scale * change.map_scale - 1) >= _WRONG_SIZE
    by_poses = 1 - found.in_disorder.score / found.in_order.score
    return best.score - found.as_they_are.score > _WORTH_SAYING * by_poses * best.score


def _fault(found: Agreement) -> Verdict:
    best, given = found.best, found.as_they_are
    likely = [best, *(item for item in found.tried[1:] if difference(best, item) < _RULED_OUT)]
    causes = tuple(item.hypothesis.cause for item in likely)
    wrong = ", or ".join(item.hypothesis.wrong for item in likely)
    if best.sign < 0:
        causes += (CONTRAST,)
        wrong += "; besides, the particles are dark"
    before = given.score * given.sign * best.sign
    return Verdict(
        causes,
        f"{wrong}: allowing for it the mean FRC is {best.score:.3f} ± {best.error:.3f} instead of "
        f"{before:.3f} ({difference(best, given):.0f} standard errors more); "
        f"{best.hypothesis.remedy}",
    )


def _dark(found: Agreement) -> Verdict:
    given = found.as_they_are
    doubt = [
        item.hypothesis.wrong
        for item in found.tried
        if item.sign > 0 and difference(given, item) < _RULED_OUT
    ]
    wrong = ", or ".join(
        [
            "the particles are dark where the map is bright (or, which is the same, the CTF or the "
            "map has the opposite sign)",
            *doubt,
        ]
    )
    return Verdict(
        (CONTRAST,),
        f"{wrong}; apart from that {_FIT} ({_figures(found)}): gmmflex heterogeneity allows for "
        "dark particles by itself (--invert-contrast); for other programs invert the images "
        "(relion_image_handler --multiply_constant -1), or the map if it is that",
    )


def _without_poses(found: Agreement) -> Verdict:
    ordered, disorder = found.in_order, found.in_disorder
    most = ordered.score - disorder.score
    most += _RULED_OUT * standard_error(ordered.scores - disorder.scores)
    if most > _POSES_MATTER * ordered.score:
        return Verdict(
            (UNDECIDED,),
            f"{len(ordered.scores)} images are too few, or too noisy, to tell whether poses and "
            f"map fit together ({_figures(found)}): give more particles",
        )
    return Verdict(
        (ORIENTATIONS,),
        "the orientations do not fit these images: images agree with the map as well in the "
        f"poses of other particles ({_figures(found)}), and no other reading of the angles "
        "helps (unless more than one thing is wrong): check that poses and images were not "
        "brought out of order, and give the map that these poses were refined against",
    )


def _nothing_seen(best: Tried) -> str:
    return (
        "nothing of the map is seen in the images, whichever way poses, CTF and pixel size are "
        f"read (mean FRC at best {best.score:.4f} ± {best.error:.4f}), unless more than one thing "
        "is wrong: give particles and map of the same refinement"
    )


def _figures(found: Agreement) -> str:
    ordered, disorder = found.in_order, found.in_disorder
    return (
        f"mean FRC {ordered.score:.3f} ± {ordered.error:.3f}, with the poses of others "
        f"{disorder.score:.3f}"
    )
