"""`python -m fuzz.run READER --minutes M`: coverage-guided fuzzing of one reader with atheris.

It goes on after a finding; each kind of finding is kept once, as small as it can be made, with
its traceback beside it.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gmmflex"]):
    import fuzz.readers as readers
    from fuzz.minimise import minimised
    from fuzz.mutation import mutated
    from fuzz.trial import Finding, empty_folder, tried, warmed_up


def main() -> None:
    options = _options()
    reader = readers.READERS[options.reader]
    options.findings.mkdir(parents=True, exist_ok=True)
    known: set[str] = set()
    with empty_folder() as folder, tempfile.TemporaryDirectory() as corpus:
        with atheris.instrument_imports(include=["gmmflex"]):
            seeds = warmed_up(reader, folder)
        kept = sorted((options.corpus / reader.name).glob("*"))
        for number, content in enumerate([*seeds, *(path.read_bytes() for path in kept)]):
            (Path(corpus) / f"seed{number}").write_bytes(content)

        def one(content: bytes) -> None:
            finding = tried(reader, content, folder)
            if finding is not None and finding.key not in known:
                known.add(finding.key)
                small = minimised(reader, content, finding.key, folder)
                _keep(options.findings, reader.name, small, finding)

        def mutate(content: bytes, most_bytes: int, seed: int) -> bytes:
            rng = random.Random(seed)
            if rng.random() < 0.4:
                return bytes(atheris.Mutate(content, most_bytes))
            return mutated(content, rng, most_bytes)

        arguments = [
            *(sys.argv[0], corpus, f"-max_total_time={round(60 * options.minutes)}"),
            *("-timeout=60", "-rss_limit_mb=4096", "-max_len=65536", f"-seed={options.seed}"),
            *("-print_final_stats=1", f"-artifact_prefix={options.findings}/{reader.name}-crash-"),
        ]
        atheris.Setup(arguments, one, custom_mutator=mutate)
        atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz.run", description=__doc__)
    parser.add_argument("reader", choices=sorted(readers.READERS))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path("tests/corpus"))
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"))
    return parser.parse_args()


def _keep(folder: Path, reader: str, content: bytes, finding: Finding) -> None:
    name = "".join(c if c.isalnum() or c in "-._" else "_" for c in f"{reader}-{finding.key}")
    (folder / name).write_bytes(content)
    (folder / f"{name}.txt").write_text(finding.report, encoding="utf-8", errors="replace")
    print(f"finding {finding.key}: {folder / name} ({len(content)} bytes)", flush=True)


if __name__ == "__main__":
    main()
