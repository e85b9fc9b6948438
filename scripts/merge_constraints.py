"""Write a constraints file from pip's own resolutions, one for each Python version.

    for version in 3.10 3.11 3.12; do
        python$version -m pip install --dry-run --ignore-installed --quiet \
            --report report-$version.json '.[engine,scipion,test,scipion-test]'
    done
    python scripts/merge_constraints.py report-*.json > constraints.txt

The same with '.[engine,test]' gives constraints-engine.txt. Where the versions of a package
differ, each line carries the Python version it is for. Packages that only a CUDA build of torch
brings are left to that build.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

_OF_THE_CUDA_BUILD = re.compile(r"^(nvidia-|cuda-|triton$)")


def read_report(path: Path) -> tuple[str, dict[str, str]]:
    """Python version ("3.11") and package versions without local parts such as +cpu."""
    report = json.loads(path.read_text(encoding="utf-8"))
    versions = {}
    for item in report["install"]:
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        versions[name] = item["metadata"]["version"].split("+")[0]
    return report["environment"]["python_version"], versions


def merged_lines(reports: dict[str, dict[str, str]]) -> list[str]:
    """Lines of a constraints file, by name."""
    names = {name for versions in reports.values() for name in versions}
    lines = []
    for name in sorted(names - {"scipion-em-gmmflex"}):
        if _OF_THE_CUDA_BUILD.match(name):
            continue
        found = {python: versions.get(name) for python, versions in reports.items()}
        distinct = {version for version in found.values() if version}
        if len(distinct) == 1:
            lines.append(f"{name}=={distinct.pop()}")
            continue
        lines += [
            f'{name}=={version}; python_version == "{python}"'
            for python, version in sorted(found.items())
            if version
        ]
    return lines


if __name__ == "__main__":
    reports = dict(read_report(Path(name)) for name in sys.argv[1:])
    print(
        "# Tested together; made by scripts/merge_constraints.py. The ranges in setup.py are open."
    )
    print("\n".join(merged_lines(reports)))
