"""`gmmflex info FILE`: what gmmflex reads from a file, with units, and what looks wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.maps.mrc import MrcHeader, read_mrc_header
from gmmflex.engine.io.models import read_states
from gmmflex.engine.io.models.mixture_file import is_mixture
from gmmflex.engine.io.particles.cryosparc_table import read_cryosparc_table
from gmmflex.engine.io.sniff import looks_like, read_head
from gmmflex.engine.io.star import read_star
from gmmflex.engine.stages.info.description import Description
from gmmflex.engine.stages.info.particles import describe_particles

__all__ = ["Description", "describe"]

_MODEL_WORDS = (b"_atom_site.", b"\nATOM  ", b"\nHETATM", b"\nCRYST1", b"\nREMARK", b"\nMODEL ")


def describe(
    path: str | Path,
    *,
    passthrough: str | Path | None = None,
    image_root: str | Path | None = None,
) -> Description:
    """Describe a particle file, map, stack, model, mixture or run folder, judged by content.

    A file that can be read but not used (tomography particles, missing poses …) is described
    all the same; the reason stands among the warnings.

    Raises:
        UserError: a file that cannot be read at all.
    """
    path = Path(path)
    if path.is_dir():
        return _describe_run(path)
    head = read_head(path, 65536)
    kind = looks_like(head)
    if kind == "a text file":
        if path.suffix.lower() != ".star" and any(word in b"\n" + head for word in _MODEL_WORDS):
            return _describe_model(path)
        return _describe_star(path, image_root)
    if kind in ("a numpy or cryoSPARC .cs file", "a cryoSPARC CSDAT stream"):
        return _describe_cryosparc(path, passthrough, image_root)
    if kind in ("a gzip-compressed file", "a bzip2-compressed file"):
        named = {suffix.lower() for suffix in path.suffixes}
        is_model = named & {".pdb", ".ent", ".cif", ".mmcif"}
        return _describe_model(path) if is_model else _describe_map(path)
    header = read_mrc_header(path)
    is_stack = path.suffix.lower() == ".mrcs" or len(set(header.shape)) != 1
    return _describe_stack(header) if is_stack else _describe_map(path)


def _describe_star(path: Path, image_root: str | Path | None) -> Description:
    try:
        return describe_particles(path, image_root=image_root)
    except UserError as error:
        tables = read_star(path).values()
        rows = [
            (f"table data_{table.name}", f"{len(table)} x {len(table.columns)} (rows x columns)")
            for table in tables
        ]
        return Description("STAR file that gmmflex cannot use", tuple(rows), (str(error),))


def _describe_cryosparc(
    path: Path, passthrough: str | Path | None, image_root: str | Path | None
) -> Description:
    try:
        return describe_particles(path, passthrough=passthrough, image_root=image_root)
    except UserError as error:
        if read_head(path, 6) == b"\x94CSDAT":
            raise
        table = read_cryosparc_table(path, None)
        groups = dict.fromkeys(name.split("/")[0] for name in table.fields)
        rows = (
            ("particles", f"{len(table)}"),
            ("fields", f"{len(table.fields)} in {', '.join(groups)}"),
        )
        return Description("cryoSPARC file that gmmflex cannot use", rows, (str(error),))


def _describe_map(path: Path) -> Description:
    density = read_map(path)
    values = density.data
    x, y, z = density.origin_A
    rows = (
        ("box", f"{density.box_px} px, {density.box_px * density.pixel_size_A:.1f} Å"),
        ("pixel size", f"{density.pixel_size_A:g} Å"),
        ("origin (x, y, z)", f"{x:g}, {y:g}, {z:g} Å"),
        ("values", f"{values.min():.4g} to {values.max():.4g}, mean {values.mean():.4g}"),
    )
    warnings = []
    if values.min() == values.max():
        warnings.append("every voxel has the same value")
    elif abs(values.min()) > 2 * abs(values.max()):
        warnings.append("the strongest density is negative: the map may be inverted")
    if abs(density.pixel_size_A - 1.0) < 1e-4:
        warnings.append("the pixel size is 1 Å, which programs write that do not know it")
    return Description("map", rows, tuple(warnings))


def _describe_stack(header: MrcHeader) -> Description:
    sections, height, width = header.shape
    pixel = header.voxel_size_A[0]
    unset = pixel == 0 or abs(pixel - 1.0) < 1e-4
    rows = (
        ("images", f"{sections}"),
        ("size", f"{width} x {height} px"),
        ("pixel size", "not set in the header" if unset else f"{pixel:g} Å"),
        ("stored as", f"{header.dtype.name}"),
    )
    warnings = () if width == height else ("the images are not square",)
    return Description("image stack", rows, warnings)


def _describe_model(path: Path) -> Description:
    states = read_states(path)
    model = states[0]
    low, high = model.coordinates_A.min(axis=0), model.coordinates_A.max(axis=0)
    extent = " x ".join(f"{size:.1f}" for size in high - low)
    centre = ", ".join(f"{value:.1f}" for value in (low + high) / 2)
    if is_mixture(model):
        sigmas_A = np.sqrt(np.maximum(model.b_factors_A2, 0) / (8 * np.pi**2))
        amplitudes = model.occupancies
        rows: list[tuple[str, str]] = [
            ("Gaussians", f"{len(model)}"),
            ("width (sigma)", f"{sigmas_A.min():.3g} to {sigmas_A.max():.3g} Å"),
            ("amplitude", f"{amplitudes.min():.4g} to {amplitudes.max():.4g}"),
            ("extent", f"{extent} Å around {centre}"),
        ]
        return Description("Gaussian mixture", tuple(rows), ())
    chains = list(dict.fromkeys(model.chains.tolist()))
    shown = ", ".join(chains[:20]) + (", …" if len(chains) > 20 else "")
    per_residue = len(model.alpha_carbons())
    rows = [
        ("models", f"{len(states)}"),
        ("atoms", f"{len(model)}"),
        ("chains", f"{len(chains)} ({shown})"),
        ("residues (Cα or P)", f"{per_residue}"),
        ("extent", f"{extent} Å around {centre}"),
    ]
    warnings = []
    if per_residue == 0:
        warnings.append("no Cα or P atom: nothing to draw a backbone from")
    if len({len(state) for state in states}) > 1:
        warnings.append("the models differ in their numbers of atoms")
    if not (model.occupancies > 0).any():
        warnings.append("every occupancy is zero")
    return Description("atomic model", tuple(rows), tuple(warnings))


def _describe_run(folder: Path) -> Description:
    run_file, summary_file = folder / "run.json", folder / "summary.json"
    if not run_file.is_file():
        raise UserError(
            f"{folder} is a folder but no run of gmmflex (it has no run.json); name a file or a "
            "run folder."
        )
    run = _json(run_file)
    shown = ("command", "version", "seed", "device")
    rows = [(str(name), str(run[name])) for name in shown if name in run]
    summary = _json(summary_file) if summary_file.is_file() else {}
    rows += [(name, _short(value)) for name, value in summary.items()]
    finished = summary.get("status") == "finished"
    warnings = () if finished else ("the run is not finished: the same command goes on with it",)
    return Description("run folder", tuple(rows), warnings)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise UserError(f"{path} is not readable JSON ({error}); run the command again.") from error
    return content if isinstance(content, dict) else {"content": content}


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
