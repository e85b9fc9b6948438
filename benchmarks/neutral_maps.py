"""Neutral mixtures of real maps and of adenylate kinase: Gaussians, seconds and FSC.

    python -m benchmarks.neutral_maps [--data FOLDER] [--work FOLDER] [--threads n]

FOLDER (or the environment variable GMMFLEX_TEST_DATA) holds maps/betaGal.mrc and
maps/groel-11.5A.mrc; without it only adenylate kinase is run. The FSC is computed here, by numpy,
between the written neutral.mrc and the map as it is, and the map in the run's mask as the run
reports it. Prints one table (Markdown).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import mrcfile

from gmmflex.engine.settings.neutral import NeutralSettings
from gmmflex.engine.stages.neutral.stage import run_neutral
from tests import adenylate_kinase
from tests.textbook import ring_correlation


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    resolution_A: float
    map: Path | None = None
    model: Path | None = None


def real_maps(data: Path | None) -> list[Case]:
    if data is None:
        return []
    maps = data / "maps"
    return [
        Case("β-galactosidase, map", 8.0, maps / "betaGal.mrc"),
        Case("GroEL (EMD-1080), map", 12.0, maps / "groel-11.5A.mrc"),
    ]


def adk_cases(folder: Path) -> list[Case]:
    adk = adenylate_kinase
    density = adk.write_map(folder / "adk.mrc", adk.density())
    model = adk.write_model(folder / "adk.cif")
    without_lid = adk.write_model(folder / "adk_without_lid.cif", without_lid=True)
    return [
        Case("AdK, map", 8.0, density),
        Case("AdK, model (Cα)", 8.0, None, model),
        Case("AdK, model and map", 8.0, density, model),
        Case("AdK, model without LID and map", 8.0, density, without_lid),
    ]


def row(case: Case, folder: Path, threads: int) -> str:
    """Run one case and format its figures."""
    start = time.monotonic()
    run_neutral(
        NeutralSettings(
            output=folder,
            map=case.map,
            model=case.model,
            resolution_A=case.resolution_A,
            threads=threads,
        ),
        log=print,
    )
    seconds = time.monotonic() - start
    summary = json.loads((folder / "summary.json").read_text())
    fields = [
        case.name,
        f"{case.resolution_A:g}",
        str(summary["gaussians"]),
        f"{seconds:.0f}",
        f"{summary['fsc_mean']:.3f}",
        f"{summary['fsc_minimum']:.3f}",
    ]
    if case.map is None:
        fields += ["–", "–"]
    else:
        with mrcfile.open(case.map) as theirs, mrcfile.open(folder / "neutral.mrc") as ours:
            extent_A = theirs.data.shape[0] * float(theirs.voxel_size.x)
            curve = ring_correlation(ours.data, theirs.data)
        curve = curve[: int(extent_A / case.resolution_A + 1e-6)]
        fields += [f"{curve.mean():.3f}", f"{curve.min():.3f}"]
    return "| " + " | ".join(fields) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("GMMFLEX_TEST_DATA"))
    parser.add_argument("--work", type=Path, help="keep the run folders here")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        data = None if options.data is None else Path(options.data)
        cases = real_maps(data) + adk_cases(folder)
        rows = [row(case, folder / f"run_{i}", options.threads) for i, case in enumerate(cases)]
    print()
    print("| input | Å | Gaussians | s | FSC mean | min | unmasked (numpy) mean | min |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
