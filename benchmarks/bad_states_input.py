"""Bad states of the input: stacks, images, metadata and maps."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.bad_states_files import (
    BOX,
    a_volume,
    cs_table,
    half_nan,
    in_micrometres,
    in_place_of,
    model_star,
    optimiser_star,
    pickled,
    row_of,
    save_cs,
    set_images,
    two_pixel_sizes,
    with_column,
    without_column,
)
from benchmarks.bad_states_run import Case, Try

Spoil = Callable[[Path], None]
_STAR, _STACK, _CS = "particles.star", "particles.mrcs", "particles.cs"


def input_cases(words: tuple[str, ...], made: Path, work: Path) -> Iterator[tuple[str, Case]]:
    """Name of each state and the case; words: of `gmmflex heterogeneity` without particles."""

    def on(file: str, spoil: Spoil, *names: str, line: str | None = None, **more: object) -> Case:
        def case() -> Iterator[Try]:
            folder = work / "input"
            _fresh(folder, made)
            command = ("heterogeneity", str(folder / file), *words)
            output = work / "from_input"
            shutil.rmtree(output, ignore_errors=True)
            told = (*command, "--output", str(output))
            if line is None:
                spoil(folder)
                yield Try(told, output, names, **more)  # type: ignore[arg-type]
            else:
                yield Try(told, output, names, line, lambda: spoil(folder), **more)  # type: ignore[arg-type]
            _fresh(folder, made)
            yield Try(told, output, ())

        return case

    for name, spoil, *names in _stacks():
        yield name, on(_STAR, spoil, *names)
    yield (
        "stack cut while the run reads it",
        on("many.star", _cut(0.1), _STACK, line="the coefficients", may_finish=True),
    )
    yield (
        "stacks vanish while the run reads them",
        on("many.star", _many_away, "part_", line="the coefficients", may_finish=True),
    )
    for name, spoil, *names in _stars():
        yield name, on(_STAR, spoil, *names)
    for name, spoil, *names in _tables():
        yield name, on(_CS, spoil, *names)


def _fresh(folder: Path, made: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made, folder)


def _away(name: str) -> Spoil:
    return lambda folder: (folder / name).unlink()


def _many_away(folder: Path) -> None:
    for path in folder.glob("part_*.mrcs"):
        path.unlink()


def _cut(share: float) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / _STACK
        os.truncate(path, int(share * path.stat().st_size))

    return spoil


def _bytes(name: str, content: bytes) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).write_bytes(content)

    return spoil


def _folder(name: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return spoil


def _text(change: Callable[[str], str]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / _STAR
        path.write_text(change(path.read_text()))

    return spoil


def _encoded(folder: Path) -> None:
    path = folder / _STAR
    path.write_text(path.read_text(), encoding="utf-16")


def _zipped(folder: Path) -> None:
    path = folder / _STAR
    path.write_bytes(gzip.compress(path.read_bytes()))


def _closed(folder: Path) -> None:
    # For root nothing is closed: the link leads nowhere, as into a folder that is not mounted.
    (folder / _STAR).unlink()
    (folder / _STAR).symlink_to("not_mounted/particles.star")


def _stacks() -> Iterator[tuple[object, ...]]:
    def constant(images: np.ndarray) -> None:
        images[7] = 0.25

    def all_zero(images: np.ndarray) -> None:
        images[:] = 0.0

    def one_infinite(images: np.ndarray) -> None:
        images[11, 3, 4] = np.inf

    def noise(images: np.ndarray) -> None:
        images[:] = np.random.default_rng(1).normal(size=images.shape)

    yield "stack missing", _away(_STACK), _STACK
    yield "stack cut in its images", _cut(0.6), _STACK
    yield "stack cut in its header", lambda f: os.truncate(f / _STACK, 500), _STACK
    yield "stack empty", lambda f: os.truncate(f / _STACK, 0), _STACK
    yield "stack is a folder", _folder(_STACK), _STACK
    yield "stack is a web page", _bytes(_STACK, b"<!doctype html>" + b" " * 9999), _STACK
    yield "stack is one volume of another box", a_volume, _STACK
    yield "one image with an infinite pixel", set_images(one_infinite), "image 12"
    yield "half of the images NaN", set_images(half_nan), _STACK
    yield "one constant image", set_images(constant), "row 8"
    yield "all images zero", set_images(all_zero), "row 1"
    yield "images of pure noise", set_images(noise), _STAR


def _stars() -> Iterator[tuple[object, ...]]:
    yield "star: no CTF column", _text(without_column("_rlnDefocusU")), "_rlnDefocusU"
    yield "star: no angles", _text(without_column("_rlnAngleRot")), "_rlnAngleRot"
    yield "star: no image names", _text(without_column("_rlnImageName")), "_rlnImageName"
    yield "star: no optics table", _text(lambda t: t[t.index("data_particles") :]), _STAR
    yield "star: a word among defoci", _text(row_of(3, 2, "abc")), "row 4"
    yield "star: NaN angle", _text(row_of(0, 7, "nan")), "row 1"
    yield "star: infinite shift", _text(row_of(2, 9, "inf")), "row 3"
    yield "star: no rows", _text(lambda t: t[: t.index("000001@")]), _STAR
    yield "star: a column twice", _text(with_column("_rlnDefocusU #13", "9000")), "_rlnDefocusU"
    yield "star: a row too short", _text(row_of(5, None, "000006@particles.mrcs 1 2")), _STAR
    yield "star: a row too long", _text(row_of(5, 11, "1 2 3 4")), _STAR
    yield "star: a row of a million characters", _text(row_of(5, 11, "7" * 10**6)), _STAR
    yield "star: cut in a row", _text(lambda t: t[: int(0.7 * len(t)) - 33]), _STAR
    yield "star: random bytes", _bytes(_STAR, np.random.default_rng(2).bytes(5000)), _STAR
    yield "star: text in UTF-16", _encoded, _STAR
    yield "star: packed with gzip", _zipped, _STAR
    yield "star: empty file", _bytes(_STAR, b""), _STAR
    yield "star: a folder", _folder(_STAR), _STAR
    yield "star: a link to nowhere", _closed, _STAR
    yield "star: image 0", _text(in_place_of("000003@", "000000@")), "row 3"
    yield "star: image beyond the stack", _text(in_place_of("000003@", "009999@")), "row 3"
    yield "star: no @ in an image name", _text(in_place_of("000003@", "000003")), "000003particles"
    yield "star: negative pixel size", _text(in_place_of(" 4.000000 32", " -4.0 32")), "pixel size"
    yield "star: voltage 0", _text(in_place_of("1 300.000000", "1 0.0")), "_rlnVoltage"
    yield "star: voltage 0.3 (MV)", _text(in_place_of("1 300.000000", "1 0.3")), "_rlnVoltage"
    yield "star: voltage 300,000 (V)", _text(in_place_of("1 300.000000", "1 300000")), "_rlnVoltage"
    yield (
        "star: Cs in Å (2.7e7)",
        _text(in_place_of("2.700000", "27000000")),
        "_rlnSphericalAberration",
    )
    yield "star: all defoci in µm", _text(in_micrometres), "_rlnDefocus"
    yield "star: optics group that is not listed", _text(row_of(4, 1, "7")), "optics group 7"
    yield (
        "star: optics groups of two pixel sizes",
        _text(two_pixel_sizes),
        "pixel size",
    )
    yield "star: another box than the stack's", _text(in_place_of(" 32 2 0", " 64 2 0")), _STACK
    yield "star: of an optimiser", optimiser_star, _STAR
    yield "star: of a model", model_star, _STAR


def _tables() -> Iterator[tuple[object, ...]]:
    def changed(change: Callable[[np.ndarray], np.ndarray | None]) -> Spoil:
        def spoil(folder: Path) -> None:
            table = cs_table(folder / _CS)
            found = change(table)
            save_cs(folder / _CS, table if found is None else found)

        return spoil

    def nan_pose(table: np.ndarray) -> None:
        table["alignments3D/pose"][4, 1] = np.nan

    def no_voltage(table: np.ndarray) -> None:
        table["ctf/accel_kv"] = 0

    def beyond(table: np.ndarray) -> None:
        table["blob/idx"][3] = 5000

    def boxes(table: np.ndarray) -> None:
        table["blob/shape"][5] = BOX // 2

    def without(*names: str) -> Callable[[np.ndarray], np.ndarray]:
        def change(table: np.ndarray) -> np.ndarray:
            kept = [name for name in table.dtype.names or () if name not in names]
            found = np.zeros(len(table), [(name, table.dtype[name]) for name in kept])
            for name in kept:
                found[name] = table[name]
            return found

        return change

    yield "cs: objects inside (pickle)", pickled, _CS
    yield "cs: cut short", lambda f: os.truncate(f / _CS, 9000), _CS
    yield "cs: cut in its header", lambda f: os.truncate(f / _CS, 60), _CS
    yield "cs: empty file", _bytes(_CS, b""), _CS
    yield "cs: random bytes", _bytes(_CS, np.random.default_rng(3).bytes(5000)), _CS
    yield "cs: no rows", changed(lambda table: table[:0]), _CS
    yield "cs: no poses", changed(without("alignments3D/pose")), "alignments3D/pose"
    yield "cs: no CTF, no passthrough", changed(without("ctf/df1_A")), "ctf/df1_A"
    yield "cs: NaN pose", changed(nan_pose), "row 5"
    yield "cs: voltage 0", changed(no_voltage), "ctf/accel_kv"
    yield "cs: image beyond the stack", changed(beyond), "row 4"
    yield "cs: boxes differ", changed(boxes), "row 6"
