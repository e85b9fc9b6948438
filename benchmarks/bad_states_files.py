"""The files that are spoilt, and how."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np

from gmmflex.engine.io.particles import read_particles

BOX, PIXEL_A = 32, 4.0
# Between them the stacks of many.star are more than a process keeps open.
_PARTS = 150
Change = Callable[[str], str]


def write_cs(made: Path) -> None:
    """particles.cs: the particles of particles.star as cryoSPARC would list them."""
    particles = read_particles(made / "particles.star")
    from scipy.spatial.transform import Rotation

    n = len(particles)
    table = np.zeros(
        n,
        [
            ("uid", "<u8"),
            ("alignments3D/pose", "<f4", (3,)),
            ("alignments3D/shift", "<f4", (2,)),
            ("alignments3D/psize_A", "<f4"),
            ("alignments3D/split", "<u4"),
            ("ctf/accel_kv", "<f4"),
            ("ctf/cs_mm", "<f4"),
            ("ctf/amp_contrast", "<f4"),
            ("ctf/df1_A", "<f4"),
            ("ctf/df2_A", "<f4"),
            ("ctf/df_angle_rad", "<f4"),
            ("blob/path", "S64"),
            ("blob/idx", "<u4"),
            ("blob/shape", "<u4", (2,)),
            ("blob/psize_A", "<f4"),
        ],
    )
    table["uid"] = np.arange(1, n + 1) * 10**15
    table["alignments3D/pose"] = Rotation.from_matrix(particles.rotations).as_rotvec()
    table["alignments3D/shift"] = particles.origins_A / PIXEL_A
    table["alignments3D/psize_A"] = table["blob/psize_A"] = PIXEL_A
    table["alignments3D/split"] = np.arange(n) % 2
    table["ctf/accel_kv"], table["ctf/cs_mm"], table["ctf/amp_contrast"] = 300, 2.7, 0.1
    table["ctf/df1_A"] = particles.ctf.defocus_u_A
    table["ctf/df2_A"] = particles.ctf.defocus_v_A
    table["ctf/df_angle_rad"] = np.deg2rad(particles.ctf.defocus_angle_deg)
    table["blob/path"] = b"particles.mrcs"
    table["blob/idx"] = np.arange(n)
    table["blob/shape"] = BOX
    save_cs(made / "particles.cs", table)


def write_many(made: Path, times: int) -> None:
    """many.star: the same images again and again, the last ones out of many small stacks."""
    with mrcfile.open(made / "particles.mrcs", permissive=True) as stack:
        images = stack.data.copy()
    for part in range(_PARTS):
        with mrcfile.new(made / f"part_{part}.mrcs", overwrite=True) as small:
            small.set_data(images[2 * part % len(images)][None])
            small.set_image_stack()
            small.voxel_size = PIXEL_A
    text = (made / "particles.star").read_text()
    start = text.index("000001@")
    rows = [line for line in text[start:].splitlines() if line.strip()]
    more = [f"{1:06d}@part_{k % _PARTS}.mrcs {row.split(None, 1)[1]}" for k, row in enumerate(rows)]
    (made / "many.star").write_text(text[:start] + "\n".join(rows * times + more * times) + "\n")


def cs_table(path: Path) -> np.ndarray:
    with path.open("rb") as stream:
        return np.load(stream, allow_pickle=False)


def save_cs(path: Path, table: np.ndarray) -> None:
    with path.open("wb") as stream:
        np.save(stream, table)


class _Harm:
    """Writes a file if anybody unpickles it."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/gmmflex_unpickled"),))


def pickled(folder: Path) -> None:
    table = np.empty(3, [("uid", "<u8"), ("blob/path", "O")])
    table["blob/path"] = [_Harm(), _Harm(), _Harm()]
    with (folder / "particles.cs").open("wb") as stream:
        np.save(stream, table, allow_pickle=True)
    assert pickle.PROTO in (folder / "particles.cs").read_bytes()


def set_images(change: Callable[[np.ndarray], None]) -> Callable[[Path], None]:
    """Change the values of the stack in place; mrcfile would warn of NaN."""

    def spoil(folder: Path) -> None:
        stack = np.memmap(folder / "particles.mrcs", np.float32, "r+", offset=1024)
        change(stack.reshape(-1, BOX, BOX))
        stack.flush()

    return spoil


def half_nan(images: np.ndarray) -> None:
    images[::2] = np.nan


def a_volume(folder: Path) -> None:
    with mrcfile.new(folder / "particles.mrcs", overwrite=True) as volume:
        volume.set_data(np.ones((48, 48, 48), np.float32))


def without_column(label: str) -> Change:
    def change(text: str) -> str:
        lines = text.splitlines()
        place = next(n for n, line in enumerate(lines) if line.startswith(f"{label} "))
        column = int(lines[place].split("#")[1]) - 1
        del lines[place]
        kept = []
        for line in lines:
            words = line.split()
            if "@" in line:
                del words[column]
            kept.append(" ".join(words) if "@" in line else re.sub(r" #\d+$", "", line))
        return "\n".join(kept) + "\n"

    return change


def with_column(label: str, value: str) -> Change:
    def change(text: str) -> str:
        lines = text.splitlines()
        last = max(n for n, line in enumerate(lines) if line.startswith("_rln"))
        found = [line + f" {value}" if "@" in line else line for line in lines]
        return "\n".join([*found[: last + 1], label, *found[last + 1 :]]) + "\n"

    return change


def row_of(row: int, column: int | None, value: str) -> Change:
    """Another value in a row of the particles; column None: another row."""

    def change(text: str) -> str:
        lines = text.splitlines()
        place = [n for n, line in enumerate(lines) if "@" in line][row]
        words = lines[place].split()
        if column is None:
            words = [value]
        else:
            words[column] = value
        lines[place] = " ".join(words)
        return "\n".join(lines) + "\n"

    return change


def in_place_of(old: str, new: str) -> Change:
    def change(text: str) -> str:
        if old not in text:
            raise ValueError(f"{old!r} is not there to be replaced")
        return text.replace(old, new, 1)

    return change


def two_pixel_sizes(text: str) -> str:
    """A second optics group of 3 Å, and its first particle."""
    first, rest = text.split("\n\n\n# version 30001\n\ndata_particles", 1)
    both = f"{first}\n2 other 300.0 2.7 0.1 3.0 32 2 0\n\n# version 30001\n\ndata_particles{rest}"
    return row_of(6, 1, "2")(both)


def in_micrometres(text: str) -> str:
    def smaller(line: str) -> str:
        words = line.split()
        words[2:4] = [f"{float(word) / 1e4:.6f}" for word in words[2:4]]
        return " ".join(words)

    return "\n".join(smaller(line) if "@" in line else line for line in text.splitlines()) + "\n"


def optimiser_star(folder: Path) -> None:
    (folder / "particles.star").write_text(
        "data_optimiser_general\n\n_rlnOutputRootName run\n_rlnModelStarFile run_model.star\n"
        "_rlnExperimentalDataStarFile run_data.star\n"
    )


def model_star(folder: Path) -> None:
    (folder / "particles.star").write_text(
        "data_model_general\n\n_rlnReferenceDimensionality 3\n_rlnPixelSize 4.0\n\n"
        "data_model_classes\n\nloop_\n_rlnReferenceImage #1\n_rlnClassDistribution #2\n"
        "run_class001.mrc 1.0\n"
    )
