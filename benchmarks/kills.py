"""kill −9 at random moments, the same command again: are the files those of an undisturbed run?

    python -m benchmarks.kills [--kills 30] [--threads 1 2] [--seed 1] [--work FOLDER]

Over `gmmflex neutral`, `heterogeneity` (in two rounds) and `reconstruct` on the CPU, each first
undisturbed. Half of the moments are random times from the start of the process to what an
undisturbed run takes; the other half are random moments after a random one of the files of the
run has appeared, for most files are written within the last tenth of a second. One run may be
killed several times. Prints Markdown; exit code 1 if any file differs or anything is left over.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.killed_runs import Failed, killed, timed
from benchmarks.speed_tables import machine
from benchmarks.toy_molecules import linear_states
from gmmflex.engine.io.models import write_models
from gmmflex.engine.io.runs.run_folder import RUN_FILE
from gmmflex.engine.io.runs.run_lock import LOCK_FILE
from gmmflex.engine.runs.same_files import compared, files_of

_SHARES = {"neutral": 0.3, "heterogeneity": 0.4, "reconstruct": 0.3}
# At most so many kills of one run.
_IN_A_ROW = 4


@dataclass
class Tally:
    """Of one command at one number of threads."""

    command: str
    threads: int
    seconds: float
    files: int = 0
    kills: int = 0
    runs: int = 0
    by_time: int = 0
    earliest_s: float = float("inf")
    latest_s: float = 0.0
    different: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def row(self) -> str:
        bad = sorted({*self.different, *self.left, *self.refused})
        return (
            f"| `{self.command}` | {self.threads} | {self.seconds:.1f} | {self.kills} "
            f"({self.by_time} by time, {self.kills - self.by_time} by file) | "
            f"{self.earliest_s:.2f}–{self.latest_s:.2f} | {self.runs} | {self.files} | "
            f"{', '.join(bad) if bad else 'none'} |"
        )


def main() -> None:
    """Simulate, run undisturbed, kill, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--particles", type=int, default=200)
    parser.add_argument("--commands", nargs="+", choices=list(_SHARES), default=list(_SHARES))
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/kills"))
    options = parser.parse_args()
    work: Path = options.work.resolve()
    made = _simulated(work / "set", options.particles)
    print(machine(max(options.threads), torch.device("cpu")))
    print(f"Seed {options.seed} for the moments, 1 for the runs.", flush=True)
    tallies = []
    for threads in options.threads:
        moments = random.Random(f"{options.seed} {threads}")
        for command, share in _SHARES.items():
            words = [*_words(command, made, work), "--threads", str(threads)]
            kills = round(options.kills * share) if command in options.commands else 0
            tallies.append(_measured(command, threads, words, kills, work, moments))
    print(
        "\n| command | threads | undisturbed, s | kills | at s | runs | files | differ or left |\n"
        + "|---" * 8
        + "|"
    )
    print("\n".join(tally.row() for tally in tallies if tally.kills))
    print(
        "\nNot compared: `seconds` in summary.json, that column of metrics.csv, and that number of "
        "each epoch in checkpoint/state.pt."
    )
    if any(tally.different or tally.left or tally.refused for tally in tallies):
        sys.exit(1)


def _words(command: str, made: Path, work: Path) -> list[str]:
    if command == "neutral":
        told = ["--map", str(made / "consensus.mrc"), "--gaussians", "60", "--resolution", "12"]
    elif command == "heterogeneity":
        told = [str(made / "particles.star"), "--neutral", str(work / "neutral" / "expected")]
        told += ["--latent-dim", "2", "--resolution", "12", "--first-resolution", "20"]
        told += ["--epochs", "2"]
    else:
        told = [str(work / "heterogeneity" / "expected")]
    return [command, *told] + ([] if command == "reconstruct" else ["--seed", "1"])


def _simulated(folder: Path, particles: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    states = folder / "states.cif"
    if not states.exists():
        write_models(states, linear_states(9, seed=3))
    told = ["simulate", "--states", str(states), "--particles", str(particles), "--snr", "1"]
    told += ["--box", "32", "--pixel-size", "4", "--output", str(folder / "particles")]
    timed(told)
    return folder / "particles"


def _measured(
    command: str, threads: int, words: list[str], kills: int, work: Path, moments: random.Random
) -> Tally:
    """Always in the folder `run`, moved afterwards: its name stands in run.json."""
    folder, expected = work / command / "run", work / command / "expected"
    for old in (folder, expected):
        shutil.rmtree(old, ignore_errors=True)
    words = [*words, "--device", "cpu", "--output", str(folder)]
    undisturbed = timed(words, folder)
    folder.rename(expected)
    tally = Tally(command, threads, undisturbed.seconds)
    tally.files = sum(path.is_file() for path in expected.rglob("*"))
    while tally.kills < kills:
        for _ in range(moments.randint(1, min(_IN_A_ROW, kills - tally.kills))):
            by_time = moments.random() < 0.5
            seconds = moments.uniform(0.0, undisturbed.seconds if by_time else 0.05)
            after = None if by_time else moments.choice(undisturbed.appeared)
            died_s = killed(words, folder, after, seconds)
            if died_s is None:
                break
            tally.kills += 1
            tally.by_time += by_time
            tally.earliest_s = min(tally.earliest_s, died_s)
            tally.latest_s = max(tally.latest_s, died_s)
            moment = "" if after is None else f" after {after}"
            print(f"{command}, {threads} threads: killed after {died_s:.2f} s{moment}", flush=True)
        tally.runs += 1
        try:
            timed(words, folder)
        except Failed as fault:
            tally.refused.append(str(fault))
        else:
            tally.different += compared(folder, expected)[1]
            # Both runs were made in the same folder, so that this is the same, too.
            if (folder / RUN_FILE).read_bytes() != (expected / RUN_FILE).read_bytes():
                tally.different.append(RUN_FILE)
            tally.left += _left_over(folder)
        found = [*tally.different, *tally.left, *tally.refused]
        print(f"{command}, {threads} threads: {tally.kills} kills, {found or 'all the same'}")
        shutil.rmtree(folder)
    return tally


def _left_over(folder: Path) -> list[str]:
    """Files that were on their way to their place, and the lock."""
    names = files_of(folder)
    return sorted(n for n in names if Path(n).name.startswith(".") or n.endswith(LOCK_FILE))


if __name__ == "__main__":
    main()
