"""How right the motion is: RMSD of the moved model to each particle's true model, and more.

    python -m benchmarks.accuracy [--sets adk …] [--decoders free …] [--seeds 1 2 3]
        [--objective NAME] [--work FOLDER] [--again] [--kept] [--write]

Simulates each set, runs `gmmflex neutral` and `gmmflex heterogeneity` as a user would, each in a
process of its own, and prints the table: median of the seeds and, in brackets, the worst. Figures
of finished runs are kept in FOLDER and not made again, so that the table can be made in pieces.
`--decoders` also takes the name of a decoder that another package brings, and `--objective` that of
a loss (docs/extending.md).
Structures that no package ships come from the folder that GMMFLEX_TEST_DATA names; a set without
its source is named as not run, and with --kept, which makes no new runs, whatever has no figures
yet. --write puts the table into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.accuracy_runs import (
    USUAL,
    Figures,
    analyses,
    by_objective,
    figures_of,
    kept_figures,
    possible,
)
from benchmarks.accuracy_sets import SETS, data_folder, simulated
from benchmarks.accuracy_table import accuracy_table, write_section
from gmmflex.engine.io.errors import UserError

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def main() -> None:
    """Run what is asked for and not there yet; print the table; write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--decoders", nargs="+", choices=analyses(), default=USUAL)
    parser.add_argument("--objective", default="frc", help="of an installed package")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/accuracy"))
    parser.add_argument("--again", action="store_true", help="although figures are there")
    parser.add_argument("--kept", action="store_true", help="only figures that are there")
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT.name}")
    options = parser.parse_args()
    found: dict[tuple[str, str], list[Figures]] = {}
    failed: dict[tuple[str, str], str] = {}
    for seed in options.seeds:
        for name in options.sets:
            for decoder in (by_objective(each, options.objective) for each in options.decoders):
                if not possible(SETS[name], decoder):
                    continue
                folder = options.work / f"{name}_{seed}"
                try:
                    figures = _figures(name, decoder, folder, seed, options)
                except (RuntimeError, UserError) as fault:
                    failed[(name, decoder)] = str(fault)
                    continue
                found.setdefault((name, decoder), []).append(figures)
                print(f"{name}, {decoder}, seed {seed}: {_in_short(figures)}", flush=True)
    table = accuracy_table(found, _by_set({k: v for k, v in failed.items() if k not in found}))
    print(f"\n{table}")
    if options.write:
        write_section(DOCUMENT, table)


def _figures(
    name: str, decoder: str, folder: Path, seed: int, options: argparse.Namespace
) -> Figures:
    """Raises RuntimeError, in a few words, if there are none."""
    if options.kept:
        found = kept_figures(decoder, folder)
        if found is None:
            raise RuntimeError("not made")
        return found
    data = data_folder()
    reason = SETS[name].missing(data)
    if reason is not None:
        raise RuntimeError(reason)
    simulated(SETS[name], data, folder, seed)
    return figures_of(SETS[name], decoder, folder, seed, options.again)


def _by_set(failed: dict[tuple[str, str], str]) -> dict[str, str]:
    """What was not run at all, the decoders of a set together, and why."""
    decoders: dict[tuple[str, str], list[str]] = {}
    for (name, decoder), reason in failed.items():
        decoders.setdefault((SETS[name].title, reason), []).append(decoder)
    return {f"{title}: {', '.join(of_set)}": why for (title, why), of_set in decoders.items()}


def _in_short(figures: Figures) -> str:
    shown = {key: value for key, value in vars(figures).items() if value is not None}
    return "  ".join(f"{key} {value:.3f}" for key, value in shown.items())


if __name__ == "__main__":
    main()
