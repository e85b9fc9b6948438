"""gmmflex against bad states of the machine and of the input: state, message, exit code.

    python -m benchmarks.bad_states [--only WORDS] [--work FOLDER]

Each command runs in a process of its own, first in the bad state and then, that put right, once
more. Exit code 1 if any of these is seen: an exit code other than 2 (128 + n for signal n), a
traceback, a message that is not one sentence with file or parameter and remedy, anything
half-written that is taken for finished or accepted by the next command, files left over, or a
command that does not succeed once the state is right. Prints Markdown. Disks are mounted in
memory, so that it has to run as root.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks.bad_states_files import write_cs, write_many
from benchmarks.bad_states_input import input_cases
from benchmarks.bad_states_machine import machine_cases
from benchmarks.bad_states_run import Case, Ended, faults_after, faults_of, run
from benchmarks.toy_molecules import linear_states
from gmmflex.engine.io.models import write_models

_PARTICLES = 120


def main() -> None:
    """Simulate, run undisturbed, then each state; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="States whose name has this expression in it.")
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/bad_states"))
    options = parser.parse_args()
    work: Path = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    commands = _made(work)
    training = commands["heterogeneity"]
    cases = [
        *machine_cases(commands, work),
        *input_cases(training[2:], work / "set", work),
    ]
    rows, bad = [], 0
    for name, case in cases:
        if not re.search(options.only, name):
            continue
        row, faults = _row(name, case, work)
        bad += bool(faults)
        rows.append(row)
        print(row + (f" FAULTS: {'; '.join(faults)}" if faults else ""), flush=True)
    print(f"\n{len(rows)} states, {bad} with faults\n")
    print("| state | command | message | exit code | put right |\n" + "|---" * 5 + "|")
    print("\n".join(rows))
    sys.exit(1 if bad else 0)


def _row(name: str, case: Case, work: Path) -> tuple[str, list[str]]:
    tries = case()
    try:
        tried = next(tries)
        ended = run(tried, work, work)
        faults = faults_of(tried, ended)
        tried = next(tries)
        again = run(tried, work, work)
        faults += [f"put right: {fault}" for fault in faults_after(tried, again)]
    finally:
        tries.close()
    values = [name, tried.words[0], _shown(ended, work), str(ended.code), _went_on(again)]
    return f"| {' | '.join(value.replace('|', '/') for value in values)} |", faults


def _shown(ended: Ended, work: Path) -> str:
    text = ended.message.replace(str(work), "…").replace("…/", "")
    text = re.sub(r"7{40,}", "77…", text)
    return "finished" if ended.code == 0 else text


def _went_on(again: Ended) -> str:
    if again.code != 0:
        return "fails"
    resumed = any("going on after" in line for line in again.lines)
    return "goes on" if resumed else "succeeds"


def _made(work: Path) -> dict[str, tuple[str, ...]]:
    """Particles, and finished runs to read; returns the words of each command."""
    made = work / "set"
    common = ("--device", "cpu", "--threads", "1")
    simulated = ("--states", "states.cif", "--box", "32", "--pixel-size", "4", "--snr", "1")
    simulated += ("--particles", str(_PARTICLES), "--seed", "1")
    if not (made / "particles.star").exists():
        write_models(work / "states.cif", linear_states(5, seed=3))
        _plainly(("simulate", *simulated, "--output", "set"), work)
        write_cs(made)
        write_many(made, 8)
    finished = work / "finished_heterogeneity"
    neutral = ("--map", "set/consensus.mrc", "--gaussians", "12", "--resolution", "30", *common)
    training = ("--neutral", "finished_neutral", "--latent-dim", "1", "--resolution", "16")
    training += ("--epochs", "2", "--memory-limit", "0.0001", *common)
    commands = {
        "neutral": ("neutral", *neutral),
        "heterogeneity": ("heterogeneity", "set/particles.star", *training),
        "reconstruct": ("reconstruct", str(finished), *common),
        "morph": ("morph", str(finished), "--model", "set/model.cif"),
        "landscape": ("landscape", str(finished)),
        "simulate": ("simulate", *simulated),
    }
    for command, words in commands.items():
        output = work / f"finished_{command}"
        if not (output / "summary.json").exists():
            shutil.rmtree(output, ignore_errors=True)
            _plainly((*words, "--output", output.name), work)
    return commands


def _plainly(words: tuple[str, ...], work: Path) -> None:
    subprocess.run([sys.executable, "-m", "gmmflex", *words], cwd=work, check=True)


def _import_all() -> None:
    """What commands import, so that the copies of this process have it."""
    torch.set_num_threads(1)
    from gmmflex.engine import cli  # noqa: F401


if __name__ == "__main__":
    _import_all()
    main()
