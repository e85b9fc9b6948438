"""What `gmmflex validate` says of a true motion and of molecules that rest.

    python -m benchmarks.validation [--sets adk=bonds apoferritin=bonds ampa-still=bonds]
        [--seeds 1 2 3] [--work FOLDER]

Each set and its analysis are made as in `benchmarks.accuracy` (and taken from its FOLDER where they
are finished), then `gmmflex validate` runs on the analysis as a user would start it. Prints
Markdown. True size: root mean square, over residues and particles, of the displacement of the true
states about their mean; verdicts and sizes are the command's own.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from benchmarks.accuracy_runs import figures_of, run_measured
from benchmarks.accuracy_sets import SETS, data_folder, simulated
from gmmflex.engine.io.runs.run_folder import SUMMARY_FILE, read_json

_DEFAULT = ("adk=bonds", "apoferritin=bonds", "ampa-still=bonds")


def true_size_A(made: Path) -> float:
    """RMS displacement of the residues of a simulated set about their mean places, in Å."""
    with np.load(made / "truth.npz", allow_pickle=False) as truth:
        state, states_A = truth["state"], truth["state_coordinates_A"]
    share = np.bincount(state, minlength=len(states_A)) / len(state)
    moved_A = states_A - np.einsum("s,sni->ni", share, states_A)
    return float(np.sqrt(np.einsum("s,sni->", share, np.square(moved_A)) / states_A.shape[1]))


def main() -> None:
    """Make what is not there yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(_DEFAULT), metavar="SET=DECODER")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/accuracy"))
    options = parser.parse_args()
    rows = []
    for seed in options.seeds:
        for asked in options.sets:
            name, decoder = asked.split("=")
            rows.append(_row(name, decoder, options.work / f"{name}_{seed}", seed))
            print(rows[-1], flush=True)
    print(
        "\n| set | seed | verdict | size, Å | of it noise, Å | true size, Å | moves significantly "
        "| agreement (within one) | clock | CPU s |\n" + "|---" * 10 + "|"
    )
    print("\n".join(rows))


def _row(name: str, decoder: str, folder: Path, seed: int) -> str:
    chosen = SETS[name]
    made = simulated(chosen, data_folder(), folder, seed)
    figures_of(chosen, decoder, folder, seed, False)
    output, cost, clock = (
        folder / f"{decoder}_{what}" for what in ("validated", "validated.json", "validated_clock")
    )
    if not (output / SUMMARY_FILE).exists():
        began = time.monotonic()
        arguments = ["validate", folder / decoder, "--output", output]
        run_measured(arguments, cost, folder / f"{decoder}_validated.log", seed)
        clock.write_text(f"{(time.monotonic() - began) / 60:.0f} min", encoding="utf-8")
    found = read_json(output / SUMMARY_FILE)
    halves = found["half_sets"]
    seconds = json.loads(cost.read_text(encoding="utf-8"))["seconds"]
    size_A, noise_A = (found[f"rms_displacement{what}_A"] for what in ("", "_without_motion"))
    agreement, within = (
        halves[f"agreement_{what}"] for what in ("of_motion", "within_one_analysis")
    )
    values = [
        chosen.title,
        str(seed),
        found["verdict"],
        f"{size_A:.2f}",
        f"{noise_A:.2f}",
        f"{true_size_A(made):.2f}",
        f"{found['share_of_motion_for_sure']:.2f}",
        f"{agreement:.3f} ({within:.3f})",
        clock.read_text(encoding="utf-8"),
        f"{seconds:.0f}",
    ]
    return f"| {' | '.join(values)} |"


if __name__ == "__main__":
    main()
