"""What is often wrong when particles and map do not fit together, and what to do about it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gmmflex.engine.agreement.change import Change, Matrix

AS_THEY_ARE = "as they are"
PIXEL_CAUSES = ("pixel size of the particles", "pixel size of the map")
# Steps between the pixel sizes tried first; finer ones follow around the best.
PIXEL_STEP = 0.03
_FARTHEST = 0.15
# Binning that one file knows of and the other does not.
_BINNING = (4.0, 3.0, 2.0, 1.5)


@dataclass(frozen=True)
class Hypothesis:
    """cause: one of few kinds of fault; label: this one in a table; wrong: a clause that says what
    is wrong; remedy: what to do, a clause in the imperative."""

    cause: str
    label: str
    wrong: str
    remedy: str
    change: Change


def hypotheses(pixel_size_A: float, map_pixel_size_A: float | None) -> list[Hypothesis]:
    """All that is tried, the files as they are first. Contrast is not among them: a correlation
    below zero tells it. map_pixel_size_A: None for a mixture, which has no pixels."""
    return [
        Hypothesis(AS_THEY_ARE, AS_THEY_ARE, "nothing is wrong", "go on", Change()),
        *_mirrored_maps(),
        *_turned_maps(),
        *_shifts(pixel_size_A),
        *_angles(),
        *_image_axes(),
        *_ctfs(),
        *_rows(),
        *(
            pixel_size(cause, pixel_size_A, map_pixel_size_A, factor)
            for cause in PIXEL_CAUSES
            for factor in _factors()
        ),
    ]


def pixel_size(
    cause: str, pixel_size_A: float, map_pixel_size_A: float | None, factor: float
) -> Hypothesis:
    """True over stated pixel size of the particles, or of the map, is `factor`."""
    if cause == PIXEL_CAUSES[1]:
        return _size_of_map(map_pixel_size_A, factor)
    true_A = pixel_size_A * factor
    return Hypothesis(
        cause,
        f"particles: {true_A:.4g} Å per pixel, not {pixel_size_A:.4g}",
        f"the pixel size of the particles is about {true_A:.4g} Å, not {pixel_size_A:.4g} Å",
        f"correct the pixel size in the particles' file and stacks (to {true_A:.4g} Å), or give "
        "particles and map of the same binning",
        Change(particle_scale=factor),
    )


def _size_of_map(stated_A: float | None, factor: float) -> Hypothesis:
    cause, change = PIXEL_CAUSES[1], Change(map_scale=factor)
    if stated_A is None:
        size = f"{abs(factor - 1):.1%} too {'small' if factor > 1 else 'large'}"
        return Hypothesis(
            cause,
            f"mixture {size}",
            f"the mixture is {size} (the pixel size of its map is wrong)",
            "correct the pixel size of the map and make the mixture again",
            change,
        )
    true_A = stated_A * factor
    return Hypothesis(
        cause,
        f"map: {true_A:.4g} Å per pixel, not {stated_A:.4g}",
        f"the pixel size of the map is about {true_A:.4g} Å, not {stated_A:.4g} Å",
        f"correct its header (relion_image_handler --force_header_angpix {true_A:.4g}), or give "
        "the map of this refinement",
        change,
    )


def _factors() -> Iterator[float]:
    steps = round(_FARTHEST / PIXEL_STEP)
    for step in range(1, steps + 1):
        yield 1 + step * PIXEL_STEP
        yield 1 / (1 + step * PIXEL_STEP)
    for factor in _BINNING:
        yield factor
        yield 1 / factor


_TURN_MAP = "give the map that these poses were refined against"


def _mirrored_maps() -> Iterator[Hypothesis]:
    named = {
        "mirrored along x": ((-1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "mirrored along y": ((1, 0, 0), (0, -1, 0), (0, 0, 1)),
        "mirrored along z": ((1, 0, 0), (0, 1, 0), (0, 0, -1)),
        "inverted through its centre": ((-1, 0, 0), (0, -1, 0), (0, 0, -1)),
        "read with x and z exchanged": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
        "read with x and y exchanged": ((0, 1, 0), (1, 0, 0), (0, 0, 1)),
        "read with y and z exchanged": ((1, 0, 0), (0, 0, 1), (0, 1, 0)),
    }
    for how, axes in named.items():
        yield Hypothesis(
            "hand",
            f"map {how}",
            f"the map has the other hand than the poses (it is {how})",
            "mirror the map back (relion_image_handler --invert_hand, or 'volume flip' in "
            f"ChimeraX), or {_TURN_MAP}",
            Change(map_axes=axes),
        )


def _turned_maps() -> Iterator[Hypothesis]:
    for axes in _right_angles():
        moved = [
            f"{'-' if row[column] < 0 else ''}{'xyz'[column]}"
            for row in axes
            for column in range(3)
            if row[column]
        ]
        yield Hypothesis(
            "turned map",
            f"axes of the map ({', '.join(moved)})",
            "the map is turned against the one that the poses belong to (its axes x, y, z are "
            f"{', '.join(moved)} there)",
            _TURN_MAP,
            Change(map_axes=axes),
        )


def _right_angles() -> Iterator[Matrix]:
    """Half turns about the axes, quarter turns, and the cyclic changes of axes."""
    yield from (
        ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
        ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
        ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
        ((0, 1, 0), (0, 0, 1), (1, 0, 0)),
        ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    )
    for sign in (1, -1):
        yield ((1, 0, 0), (0, 0, -sign), (0, sign, 0))
        yield ((0, 0, sign), (0, 1, 0), (-sign, 0, 0))
        yield ((0, -sign, 0), (sign, 0, 0), (0, 0, 1))


def _shifts(pixel_size_A: float) -> Iterator[Hypothesis]:
    columns = "rlnOriginXAngst, rlnOriginYAngst"
    for x, y in itertools.product((1, -1), repeat=2):
        if (x, y) == (1, 1):
            continue
        of = {(-1, -1): "both shifts", (-1, 1): "the shift along x", (1, -1): "the shift along y"}
        yield Hypothesis(
            "shift sign",
            f"sign of {of[x, y]}",
            f"{of[x, y]} ({columns}) {'have' if x == y else 'has'} the wrong sign",
            "negate them in the particles' file, or convert the particles again",
            Change(shift=((x, 0), (0, y))),
        )
    yield Hypothesis(
        "shifts exchanged",
        "shifts x and y exchanged",
        f"the shifts along x and y ({columns}) are exchanged",
        "exchange the columns, or convert the particles again",
        Change(shift=((0, 1), (1, 0))),
    )
    yield Hypothesis(
        "shifts applied already",
        "shifts applied to the images already",
        f"the images are shifted already, and {columns} shift them again",
        "set these columns to 0, or give the images as they were before",
        Change(shift=((0, 0), (0, 0))),
    )
    for factor, wrong in ((pixel_size_A, "pixels but are read as Å"), (1 / pixel_size_A, "")):
        wrong = wrong or "Å but are read as pixels"
        yield Hypothesis(
            "unit of shifts",
            f"shifts x {factor:.3g}",
            f"the shifts are given in {wrong}",
            "write them in Å as rlnOriginXAngst, rlnOriginYAngst, or in pixels as rlnOriginX, "
            "rlnOriginY",
            Change(shift=((factor, 0), (0, factor))),
        )


def _angles() -> Iterator[Hypothesis]:
    again = "convert the particles again with RELION's convention (Rz(psi) Ry(tilt) Rz(rot))"
    inverse = Hypothesis(
        "inverse rotations",
        "rotations inverted",
        "the rotations are the inverse of what they should be (image to map, not map to image)",
        again,
        Change(inverse=True),
    )
    yield inverse
    yield replace(
        inverse,
        label="rotations inverted, map mirrored",
        wrong="the rotations are inverted and the map has the other hand",
        change=Change(inverse=True, map_axes=((1, 0, 0), (0, 1, 0), (0, 0, -1))),
    )
    for name, signs in (("rot", (-1, 1, 1)), ("psi", (1, 1, -1)), ("rot and psi", (-1, 1, -1))):
        yield Hypothesis(
            "sign of angles",
            f"sign of {name}",
            f"the sign of the angle {name} is reversed",
            again,
            Change(angle_signs=signs),
        )


def _image_axes() -> Iterator[Hypothesis]:
    named: dict[str, Matrix] = {
        "mirrored along x": ((-1, 0), (0, 1)),
        "mirrored along y": ((1, 0), (0, -1)),
        "transposed": ((0, 1), (1, 0)),
        "turned by 90 degrees": ((0, -1), (1, 0)),
        "turned by -90 degrees": ((0, 1), (-1, 0)),
    }
    for how, axes in named.items():
        yield Hypothesis(
            "axes of the images",
            f"images {how}",
            f"the images are {how} against the poses",
            "write the images again with the program that refined them, without flipping",
            Change(image_axes=axes),
        )


def _ctfs() -> Iterator[Hypothesis]:
    yield Hypothesis(
        "sign of the CTF",
        "sign of the defocus",
        "the CTF has the wrong sign (the defocus is negative where it should be positive, or "
        "the reverse)",
        "negate rlnDefocusU and rlnDefocusV (underfocus is positive), or convert the particles "
        "again",
        Change(ctf="defocus negated"),
    )
    named = (
        ("phases flipped", "the images are phase-flipped already"),
        ("multiplied", "the images are multiplied by their CTF already"),
        ("corrected", "the images are corrected for the CTF already, or the CTF is not theirs"),
    )
    for reading, wrong in named:
        done = Change()
        yield Hypothesis(
            "CTF applied already",
            f"CTF: {reading}",
            wrong,
            "extract the particles again without that step: gmmflex takes images as they were "
            "recorded",
            replace(done, ctf=reading),  # type: ignore[arg-type]
        )


def _rows() -> Iterator[Hypothesis]:
    for step, which in ((-1, "before"), (1, "after")):
        yield Hypothesis(
            "numbers of images",
            f"poses of the image {which}",
            f"each image has the pose of the image {which} it (image numbers are off by one)",
            "correct the image numbers (rlnImageName counts from 1)",
            Change(row=step),
        )
