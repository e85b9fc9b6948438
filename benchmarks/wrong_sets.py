"""Copies of simulated sets with one thing wrong: does `gmmflex info --particles --map` name it?

    python -m benchmarks.wrong_sets --work FOLDER [--sets adk,igg,apoferritin] [--seeds 1,2,3]

FOLDER is that of `benchmarks.accuracy`: FOLDER/SET_SEED/simulated. Of each set the first particles
are copied once for each fault, into a temporary folder, and compared with the consensus map (or its
faulty copy). Prints one table (Markdown): for each fault and set how many seeds were named rightly,
and the mean weighted FRC of the files as they are, of the best reading and, in brackets, with the
poses of other particles; on standard error what was named for each copy.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import mrcfile
import numpy as np

from gmmflex.engine.io.maps import Map, read_map, write_map
from gmmflex.engine.io.star import StarTable, read_star, write_star
from gmmflex.engine.stages.info.agreement import Findings, compare_files

_PARTICLES = 600
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Files:
    """A set in memory: columns of the particles, pixel size of their optics, images and map."""

    columns: Columns
    pixel_size_A: float
    images: np.ndarray
    density: Map


@dataclass(frozen=True)
class Fault:
    """named: any of the causes that the verdict may put first and be right."""

    title: str
    named: tuple[str, ...]
    spoil: Callable[[Files], Files]


def _with(files: Files, **columns: np.ndarray) -> Files:
    return replace(files, columns={**files.columns, **columns})


def _map(files: Files, **values: object) -> Files:
    return replace(files, density=replace(files.density, **values))


def _negated(*labels: str) -> Callable[[Files], Files]:
    return lambda files: _with(files, **{label: -files.columns[label] for label in labels})


def _mirrored(axis: int) -> Callable[[Files], Files]:
    """As programs mirror maps: the order of the voxels reversed, which moves the centre by one."""
    return lambda files: _map(files, data=np.flip(files.density.data, axis).copy())


def _inverse_angles(files: Files) -> Files:
    """The inverse of Rz(psi) Ry(tilt) Rz(rot)."""
    rot, tilt, psi = (files.columns[f"rlnAngle{name}"] for name in ("Rot", "Tilt", "Psi"))
    return _with(files, rlnAngleRot=-psi, rlnAngleTilt=-tilt, rlnAnglePsi=-rot)


def _shuffled(files: Files) -> Files:
    order = np.random.default_rng(1).permutation(len(files.images))
    labels = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst")
    return _with(files, **{label: files.columns[label][order] for label in labels})


def _next_image(files: Files) -> Files:
    return replace(files, images=np.roll(files.images, 1, axis=0))


def _phases_flipped(files: Files) -> Files:
    """Each image multiplied by the sign of its CTF (RELION's formula without astigmatism)."""
    box, c = files.images.shape[-1], files.columns
    k = np.fft.fftfreq(box, files.pixel_size_A)
    k2 = k[:, None] ** 2 + k[: box // 2 + 1] ** 2
    wavelength_A, aberration_A = 0.0196875, 2.7e7
    defocus_A = ((c["rlnDefocusU"] + c["rlnDefocusV"]) / 2)[:, None, None]
    phase = np.pi * wavelength_A * defocus_A * k2
    phase = phase - np.pi / 2 * aberration_A * wavelength_A**3 * k2**2 + np.arcsin(0.1)
    flipped = np.fft.irfft2(np.fft.rfft2(files.images) * np.sign(np.sin(phase)), s=(box, box))
    return replace(files, images=flipped.astype(np.float32))


_CTF = ("CTF applied already",)
FAULTS = (
    Fault("none", ("all fits",), lambda files: files),
    Fault("contrast inverted", ("contrast",), lambda f: replace(f, images=-f.images)),
    *(Fault(f"map mirrored along {'zyx'[axis]}", ("hand",), _mirrored(axis)) for axis in (0, 2)),
    Fault("shifts negated", ("shift sign",), _negated("rlnOriginXAngst", "rlnOriginYAngst")),
    Fault("shift x negated", ("shift sign",), _negated("rlnOriginXAngst")),
    *(
        Fault(
            f"particles' pixel size x {factor:g}",
            ("pixel size of the particles",),
            lambda f, factor=factor: replace(f, pixel_size_A=f.pixel_size_A * factor),
        )
        for factor in (1.03, 1.05, 2.0)
    ),
    *(
        Fault(
            f"map's pixel size x {factor:g}",
            ("pixel size of the map",),
            lambda f, factor=factor: _map(f, pixel_size_A=f.density.pixel_size_A * factor),
        )
        for factor in (0.97, 0.95, 2.0)
    ),
    Fault("defocus negated", ("sign of the CTF",), _negated("rlnDefocusU", "rlnDefocusV")),
    Fault("phases flipped", _CTF, _phases_flipped),
    Fault("angles of the inverse", ("inverse rotations",), _inverse_angles),
    Fault("sign of psi", ("sign of angles",), _negated("rlnAnglePsi")),
    Fault("poses shuffled", ("orientations",), _shuffled),
    Fault("image numbers off by one", ("numbers of images",), _next_image),
)


def read_set(folder: Path) -> Files:
    tables = read_star(folder / "particles.star")
    particles, optics = tables["particles"], tables["optics"]
    columns = {
        label: np.asarray(particles.columns[label])[:_PARTICLES] for label in particles.columns
    }
    columns = {
        label: values if label == "rlnImageName" else values.astype(np.float64)
        for label, values in columns.items()
    }
    with mrcfile.mmap(folder / "particles.mrcs") as stack:
        images = np.array(stack.data[:_PARTICLES])
    pixel_size_A = float(np.asarray(optics.columns["rlnImagePixelSize"])[0])
    return Files(columns, pixel_size_A, images, read_map(folder / "consensus.mrc"))


def write_set(files: Files, source: Path, folder: Path) -> None:
    tables = read_star(source / "particles.star")
    optics = dict(tables["optics"].columns)
    optics["rlnImagePixelSize"] = np.full(len(tables["optics"]), files.pixel_size_A)
    columns = {**files.columns, "rlnOpticsGroup": files.columns["rlnOpticsGroup"].astype(int)}
    columns["rlnRandomSubset"] = columns["rlnRandomSubset"].astype(int)
    write_star(
        folder / "particles.star",
        [StarTable("optics", optics), StarTable("particles", columns)],
    )
    with mrcfile.new(folder / "particles.mrcs", overwrite=True) as stack:
        stack.set_data(files.images)
        stack.set_image_stack()
        stack.voxel_size = files.pixel_size_A
    write_map(folder / "map.mrc", files.density)


def named_in(files: Files, source: Path) -> tuple[Findings, float]:
    """What the command finds in these files, and the seconds of the processor."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_set(files, source, folder)
        begin = time.process_time()
        found = compare_files(
            folder / "particles.star", folder / "map.mrc", device="cpu", threads=1
        )
        return found, time.process_time() - begin


@dataclass(frozen=True)
class Answer:
    """What was named for one copy of one set."""

    fault: Fault
    set: str
    found: Findings
    seconds: float

    @property
    def right(self) -> bool:
        return self.found.verdict.causes[0] in self.fault.named

    @property
    def scores(self) -> tuple[float, float, float]:
        """Weighted mean FRC of the files as they are, of the best reading, with others' poses."""
        tried = self.found.agreement
        shown = (tried.as_they_are, tried.best, tried.in_disorder)
        return tuple(item.score * item.sign for item in shown)

    def line(self) -> str:
        named = " / ".join(self.found.verdict.causes)
        given, best, others = self.scores
        return (
            f"{self.set}: {self.fault.title} -> {named} ({self.found.agreement.best.label}), "
            f"{'right' if self.right else 'WRONG'}; {given:+.3f}, {best:+.3f}, {others:+.3f}; "
            f"{self.seconds:.1f} s"
        )


def cell(answers: list[Answer]) -> str:
    """The seeds of one set: how many right, and the mean scores."""
    given, best, others = np.mean([answer.scores for answer in answers], axis=0)
    right = sum(answer.right for answer in answers)
    return f"{right} of {len(answers)}; {given:+.2f}, {best:+.2f} ({others:+.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sets", default="adk,igg,apoferritin")
    parser.add_argument("--seeds", default="1,2,3")
    arguments = parser.parse_args()
    names, answers = arguments.sets.split(","), []
    for seed in arguments.seeds.split(","):
        for name in names:
            source = arguments.work / f"{name}_{seed}" / "simulated"
            files = read_set(source)
            for fault in FAULTS:
                found, seconds = named_in(fault.spoil(files), source)
                answers.append(Answer(fault, name, found, seconds))
                print(f"seed {seed}, {answers[-1].line()}", file=sys.stderr, flush=True)
    print(f"| copy | {' | '.join(names)} | named |")
    print("|---" * (len(names) + 2) + "|")
    for fault in FAULTS:
        of_fault = [answer for answer in answers if answer.fault is fault]
        cells = [cell([answer for answer in of_fault if answer.set == name]) for name in names]
        named = ", ".join(dict.fromkeys(answer.found.verdict.causes[0] for answer in of_fault))
        print(f"| {fault.title} | {' | '.join(cells)} | {named} |")
    wrong = sum(not answer.right for answer in answers)
    seconds = np.mean([answer.seconds for answer in answers])
    print(f"\n{wrong} of {len(answers)} named wrongly; {seconds:.1f} s of the processor for each")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
