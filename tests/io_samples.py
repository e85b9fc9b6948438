"""Small particle files made by hand for the io tests; nothing of gmmflex's writers is used."""

from pathlib import Path

import mrcfile
import numpy as np

OPTICS_LABELS = [
    "rlnOpticsGroup",
    "rlnOpticsGroupName",
    "rlnVoltage",
    "rlnSphericalAberration",
    "rlnAmplitudeContrast",
    "rlnImagePixelSize",
    "rlnImageSize",
    "rlnImageDimensionality",
]


def write_stack(path: Path, images, pixel_size_A=1.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path, overwrite=True) as target:
        target.set_data(np.asarray(images))
        if np.ndim(images) == 3:
            target.set_image_stack()
        target.voxel_size = pixel_size_A
    return path


def random_images(count=6, box=8, seed=0):
    return np.random.default_rng(seed).normal(size=(count, box, box)).astype(np.float32)


def loop(name: str, columns: dict) -> str:
    lines = [f"data_{name}", "", "loop_"] + [f"_{x} #{i}" for i, x in enumerate(columns, 1)]
    lines += [" ".join(str(value) for value in row) for row in zip(*columns.values(), strict=True)]
    return "\n".join(lines) + "\n\n"


def particle_columns(names, seed=1) -> dict:
    rng = np.random.default_rng(seed)
    n = len(names)
    return {
        "rlnImageName": list(names),
        "rlnOpticsGroup": [1] * n,
        "rlnDefocusU": np.round(rng.uniform(9000, 20000, n), 3).tolist(),
        "rlnDefocusV": np.round(rng.uniform(9000, 20000, n), 3).tolist(),
        "rlnDefocusAngle": np.round(rng.uniform(0, 180, n), 3).tolist(),
        "rlnAngleRot": np.round(rng.uniform(-180, 180, n), 6).tolist(),
        "rlnAngleTilt": np.round(rng.uniform(0, 180, n), 6).tolist(),
        "rlnAnglePsi": np.round(rng.uniform(-180, 180, n), 6).tolist(),
        "rlnOriginXAngst": np.round(rng.normal(0, 5, n), 6).tolist(),
        "rlnOriginYAngst": np.round(rng.normal(0, 5, n), 6).tolist(),
        "rlnRandomSubset": rng.integers(1, 3, n).tolist(),
    }


def optics_columns(groups=1, pixel_size_A=1.5, box=8) -> dict:
    return {
        "rlnOpticsGroup": list(range(1, groups + 1)),
        "rlnOpticsGroupName": [f"opticsGroup{i}" for i in range(1, groups + 1)],
        "rlnVoltage": [300 if i == 0 else 200 for i in range(groups)],
        "rlnSphericalAberration": [2.7] * groups,
        "rlnAmplitudeContrast": [0.1 + 0.01 * i for i in range(groups)],
        "rlnImagePixelSize": [pixel_size_A] * groups,
        "rlnImageSize": [box] * groups,
        "rlnImageDimensionality": [2] * groups,
    }


def names_in(stack: str, count=6) -> list:
    return [f"{i:06d}@{stack}" for i in range(1, count + 1)]


def relion31(folder: Path, *, particles=None, optics=None, stack=True) -> Path:
    """A RELION 3.1 star with six particles and its stack; columns can be given changed."""
    if stack:
        write_stack(folder / "p.mrcs", random_images())
    optics = optics_columns() if optics is None else optics
    particles = particle_columns(names_in("p.mrcs")) if particles is None else particles
    path = folder / "particles.star"
    path.write_text("# version 30001\n\n" + loop("optics", optics) + loop("particles", particles))
    return path


def relion30(folder: Path, detector_um=5.0, magnification=33333.333333) -> Path:
    """A RELION 3.0 star: one table, origins in pixels, pixel size from the magnification."""
    write_stack(folder / "p.mrcs", random_images())
    columns = particle_columns(names_in("p.mrcs"))
    for axis in "XY":
        columns[f"rlnOrigin{axis}"] = columns.pop(f"rlnOrigin{axis}Angst")
    del columns["rlnOpticsGroup"]
    columns["rlnVoltage"] = [300, 300, 300, 200, 200, 200]
    columns["rlnSphericalAberration"] = [2.7] * 6
    columns["rlnAmplitudeContrast"] = [0.1] * 6
    columns["rlnPhaseShift"] = [0, 10, 20, 30, 40, 50]
    columns["rlnMagnification"] = [magnification] * 6
    columns["rlnDetectorPixelSize"] = [detector_um] * 6
    path = folder / "data30.star"
    path.write_text(loop("", columns))
    return path


CRYOSPARC_FIELDS = {
    "alignments": [
        ("alignments3D/split", "<u4"),
        ("alignments3D/shift", "<f4", (2,)),
        ("alignments3D/pose", "<f4", (3,)),
        ("alignments3D/psize_A", "<f4"),
    ],
    "ctf": [
        ("ctf/exp_group_id", "<u4"),
        ("ctf/accel_kv", "<f4"),
        ("ctf/cs_mm", "<f4"),
        ("ctf/amp_contrast", "<f4"),
        ("ctf/df1_A", "<f4"),
        ("ctf/df2_A", "<f4"),
        ("ctf/df_angle_rad", "<f4"),
        ("ctf/phase_shift_rad", "<f4"),
    ],
    "blob": [
        ("blob/path", "S40"),
        ("blob/idx", "<u4"),
        ("blob/shape", "<u4", (2,)),
        ("blob/psize_A", "<f4"),
        ("blob/sign", "<f4"),
    ],
}


def cryosparc_table(
    count=6, stack=">J1/imported/p.mrcs", seed=4, fields=("alignments", "ctf", "blob")
):
    """A structured array as np.save writes a .cs file; shifts are pixels of 3 Å."""
    rng = np.random.default_rng(seed)
    everything = [item for group in CRYOSPARC_FIELDS.values() for item in group]
    table = np.zeros(count, dtype=[("uid", "<u8"), *everything])
    table["uid"] = rng.permutation(np.arange(1, count + 1) * 10**17)
    table["alignments3D/split"] = np.arange(count) % 2
    table["alignments3D/shift"] = rng.normal(0, 2, (count, 2))
    table["alignments3D/pose"] = rng.normal(0, 1.2, (count, 3))
    table["alignments3D/psize_A"] = 3.0
    table["ctf/exp_group_id"] = np.arange(count) // 3
    table["ctf/accel_kv"] = 300
    table["ctf/cs_mm"] = 2.7
    table["ctf/amp_contrast"] = 0.1
    table["ctf/df1_A"] = rng.uniform(9000, 20000, count)
    table["ctf/df2_A"] = rng.uniform(9000, 20000, count)
    table["ctf/df_angle_rad"] = rng.uniform(-3, 3, count)
    table["ctf/phase_shift_rad"] = rng.uniform(0, 1, count)
    table["blob/path"] = stack.encode()
    table["blob/idx"] = np.arange(count)[::-1]
    table["blob/shape"] = 8
    table["blob/psize_A"] = 1.5
    table["blob/sign"] = -1
    wanted = ["uid"] + [item[0] for group in fields for item in CRYOSPARC_FIELDS[group]]
    result = np.zeros(count, dtype=[(name, table.dtype[name]) for name in wanted])
    for name in wanted:
        result[name] = table[name]
    return result


def save_cs(path: Path, table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        np.save(stream, table)
    return path
