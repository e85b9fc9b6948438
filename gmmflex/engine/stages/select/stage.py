"""`gmmflex select`: particles of a part of the latent space as a star or cs file of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_folder import RUN_FILE, SUMMARY_FILE, read_json
from gmmflex.engine.machine.progress import Log, print_line
from gmmflex.engine.model.inference.principal_axes import principal_axes
from gmmflex.engine.runs.arrays import rows_of_numbers
from gmmflex.engine.runs.junk_column import LIKELY_JUNK
from gmmflex.engine.runs.particle_tables import (
    ROWS_FILE,
    ParticleTables,
    absolute_names,
    by_particle,
    cryosparc_source,
)
from gmmflex.engine.settings.select import SelectSettings
from gmmflex.engine.stages.select.conditions import (
    compared,
    distances,
    in_clusters,
    inside_polygon,
    junk_above,
    listed,
)

COPIES_LABEL = "gmmflexCopiesChosen"


@dataclass(frozen=True)
class _Source:
    """run: of heterogeneity; landscape: the folder of one, or None; tables: its rows."""

    run: Path
    landscape: Path | None
    tables: ParticleTables
    latents: NDArray[np.float32]


def run_select(settings: SelectSettings, log: Log = print_line) -> None:
    """Write the particles; raises UserError and then writes nothing."""
    kind = settings.output.suffix.lower()
    if kind not in (".star", ".cs"):
        raise UserError(
            f"--output {settings.output} is neither .star nor .cs: give the name of such a file"
        )
    source = _read(settings.source)
    if settings.output.resolve() == source.tables.source.resolve():
        raise UserError(f"--output {settings.output} is a file of the run: give another name")
    rows = _rows(settings, source, log)
    settings.output.parent.mkdir(parents=True, exist_ok=True)
    if kind == ".cs":
        count = _write_cs(settings, source, rows)
    elif settings.unexpanded:
        count = _write_images(settings, source, rows)
    else:
        source.tables.write(settings.output, _names(settings, source, source.tables), rows)
        count = len(rows)
    log(f"{count:,} particles written to {settings.output}")


def _read(folder: Path) -> _Source:
    """A finished run of heterogeneity, or the run that a finished landscape is of."""
    if not (folder / SUMMARY_FILE).is_file():
        raise UserError(f"{folder} holds no finished run of gmmflex: give one")
    stored = read_json(folder / RUN_FILE)
    command, landscape = stored.get("command"), None
    run, rows = folder, folder / ROWS_FILE
    if command == "landscape":
        landscape, rows = folder, folder / "landscape.star"
        run = _run_of(stored, folder)
    elif command != "heterogeneity":
        raise UserError(
            f"{folder} holds a run of 'gmmflex {command}': give one of 'gmmflex heterogeneity' or "
            "'gmmflex landscape'"
        )
    path = run / "latents.npy"
    if not path.is_file():
        raise UserError(f"{path} does not exist: give the run, or restore it")
    latents = rows_of_numbers(path)
    return _Source(run, landscape, ParticleTables(rows, len(latents)), latents)


def _run_of(stored: dict[str, Any], landscape: Path) -> Path:
    try:
        return Path(stored["inputs"][0]["path"]).parent
    except (KeyError, IndexError, TypeError) as fault:
        raise UserError(
            f"{landscape / RUN_FILE} does not name the run it was made from: run 'gmmflex "
            f"landscape' again"
        ) from fault


def _rows(settings: SelectSettings, source: _Source, log: Log) -> NDArray[np.int64]:
    """Rows of the latents for which all conditions hold, in their order."""
    latents, n = source.latents, len(source.latents)
    chosen = np.ones(n, dtype=np.bool_)
    conditions = []

    def hold(mask: NDArray[np.bool_], what: str) -> None:
        chosen[:] &= mask
        conditions.append(what)
        log(f"{what}: {int(mask.sum()):,} of {n:,}, {int(chosen.sum()):,} with those before")

    if settings.cluster or settings.clusters is not None:
        path = _clusters_file(settings, source)
        hold(in_clusters(path, settings.cluster, n), f"--cluster {_listing(settings.cluster)}")
    if settings.rows is not None:
        hold(listed(settings.rows, n), f"--rows {settings.rows}")
    if settings.polygon is not None:
        hold(inside_polygon(settings.polygon, _plane(settings, source)), "--polygon")
    for condition in settings.where:
        hold(compared(condition, source.tables), f"--where {condition!r}")
    if settings.without_junk:
        junk = junk_above(LIKELY_JUNK, "--without-junk", source.tables)
        hold(~junk, "--without-junk")
    if settings.junk_above is not None:
        option = f"--junk-above {settings.junk_above:g}"
        hold(junk_above(settings.junk_above, option, source.tables), option)
    if settings.near is None and (settings.radius or settings.nearest):
        raise UserError("--radius and --nearest need a latent: give --near")
    if settings.near is not None:
        if (settings.radius is None) == (settings.nearest is None):
            raise UserError("--near needs either --radius or --nearest: give one of them")
        apart = distances(settings.near, latents)
        if settings.radius is not None:
            hold(apart <= settings.radius, f"--radius {settings.radius:g}")
        else:
            held = np.flatnonzero(chosen)
            closest = np.zeros(n, dtype=np.bool_)
            order = np.argsort(apart[held], kind="stable")
            closest[held[order[: settings.nearest]]] = True
            hold(closest, f"--nearest {settings.nearest}")
    if not conditions and settings.random is None:
        raise UserError(
            "no condition chooses particles: give --cluster, --near, --polygon, --rows, "
            "--where, --without-junk, --junk-above or --random"
        )
    rows = np.flatnonzero(chosen)
    if len(rows) == 0:
        raise UserError(f"no particle meets {', '.join(conditions)}: relax one of them")
    return rows if settings.random is None else _some(rows, settings.random, settings.seed)


def _clusters_file(settings: SelectSettings, source: _Source) -> Path:
    if not settings.cluster:
        raise UserError("--clusters needs the number of a cluster: give --cluster")
    if settings.clusters is not None:
        return settings.clusters
    if source.landscape is None:
        raise UserError(
            f"{settings.source} has no clusters: give the folder of 'gmmflex landscape' instead, "
            "or --clusters FILE.npy"
        )
    return source.landscape / "clusters.npy"


def _plane(settings: SelectSettings, source: _Source) -> NDArray[np.float32]:
    """(n, 2) coordinates that the corners of a polygon are given in."""
    if settings.axes == "umap":
        path = (source.landscape or source.run) / "umap.npy"
        if not path.is_file():
            raise UserError(
                f"--axes umap: {settings.source} has no umap.npy: give the folder of 'gmmflex "
                "landscape --umap'"
            )
        return rows_of_numbers(path)
    d = source.latents.shape[1]
    parts = [part.strip() for part in settings.axes.split(",")]
    numbers = [int(part) for part in parts if part.isdecimal() and 1 <= int(part) <= d]
    if len(parts) != 2 or len(numbers) != 2 or numbers[0] == numbers[1]:
        raise UserError(
            f"--axes {settings.axes} does not name two of {d} principal components: write them as "
            "in 1,2"
        )
    projected = principal_axes(source.latents).project(source.latents)
    return projected[:, [number - 1 for number in numbers]]


def _some(rows: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    if count > len(rows):
        raise UserError(f"--random {count} is more than the {len(rows)} particles: give fewer")
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))


def _names(
    settings: SelectSettings, source: _Source, tables: ParticleTables
) -> dict[str, NDArray[np.generic]]:
    """The column of image names, if it is to be another."""
    if not settings.absolute:
        return {}
    return {"rlnImageName": absolute_names(source.run, tables, settings.image_root)}


def _write_images(settings: SelectSettings, source: _Source, rows: NDArray[np.int64]) -> int:
    """Each image once, in its own pose; how many of its copies were chosen goes into a column."""
    images = by_particle(source.run, len(source.latents))
    if images is None:
        raise UserError(
            f"--unexpanded: {source.run} was not run with --symmetry, so each particle is there "
            "once: leave it out"
        )
    copies = len(source.latents) // len(images)
    counts = np.bincount(rows // copies, minlength=len(images))
    own = np.flatnonzero(counts >= _least(settings, copies))
    if len(own) == 0:
        raise UserError(f"no image has {settings.least_copies} copies inside: lower --least-copies")
    extra = {COPIES_LABEL: counts, **_names(settings, source, images)}
    images.write(settings.output, extra, own)
    return len(own)


def _write_cs(settings: SelectSettings, source: _Source, rows: NDArray[np.int64]) -> int:
    n = len(source.latents)
    table = cryosparc_source(source.run, source.tables, n, settings.particles)
    if table is None:
        raise UserError(
            f"--output {settings.output}: {source.run} was not made of a cs file, and cryoSPARC "
            "would not know its particles: write a .star"
        )
    if table.copies > 1:
        if not settings.unexpanded:
            raise UserError(
                f"--output {settings.output}: {source.run} has {table.copies} copies of each "
                "particle, which a cs file holds once: add --unexpanded"
            )
        counts = np.bincount(rows // table.copies, minlength=n // table.copies)
        rows = np.flatnonzero(counts >= _least(settings, table.copies)) * table.copies
    return table.write(settings.output, rows, f"chosen by gmmflex from {source.run.name}")


def _least(settings: SelectSettings, copies: int) -> int:
    if settings.least_copies > copies:
        raise UserError(
            f"--least-copies {settings.least_copies} is more than the {copies} copies that there "
            "are: give fewer"
        )
    return settings.least_copies


def _listing(numbers: tuple[int, ...]) -> str:
    return ",".join(str(number) for number in numbers)
