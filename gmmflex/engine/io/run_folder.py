"""The run folder: what went in (run.json), whether it is done (summary.json), atomic writing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Any

from gmmflex import __version__
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.faults import file_fault

RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"
# Stacks and maps are identified by size only; the metadata files by their content.
_CHECKSUM_LIMIT_BYTES = 512 * 1024 * 1024
_CHECKSUM_SUFFIXES = {".star", ".cs", ".cif", ".pdb", ".json", ".ent", ".mmcif"}

# Where and how fast a run goes on changes nothing of what it computes.
_MAY_DIFFER = {"threads", "device", "output", "memory_limit_GB"}


class RunState(Enum):
    """What a run folder holds before a command starts."""

    NEW = "new"
    UNFINISHED = "unfinished"
    FINISHED = "finished"


def run_state(folder: Path, command: str, config: Mapping[str, Any], overwrite: bool) -> RunState:
    """Whether the command starts anew, goes on, or has nothing to do; changes nothing.

    Raises UserError if the folder holds something else: other files, another command, or the
    same command with other settings.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output {folder} is a file: give a new or empty folder")
    if not folder.exists() or not any(folder.iterdir()):
        return RunState.NEW
    if not is_run_folder(folder):
        raise UserError(
            f"--output {folder} holds files that no gmmflex run wrote: give a new or empty folder"
        )
    if overwrite:
        return RunState.NEW
    stored = read_json(folder / RUN_FILE)
    if stored.get("command") != command:
        raise UserError(
            f"--output {folder} holds a run of 'gmmflex {stored.get('command')}', not of "
            f"'gmmflex {command}': give another folder or add --overwrite"
        )
    changed = sorted(
        name
        for name in {*stored.get("config", {}), *config} - _MAY_DIFFER
        if stored.get("config", {}).get(name) != _plain(config).get(name)
    )
    if changed:
        raise UserError(
            f"--output {folder} holds a run with other settings ({', '.join(changed)} differ): "
            "give another folder or add --overwrite"
        )
    summary = folder / SUMMARY_FILE
    done = summary.exists() and read_json(summary).get("status") == "finished"
    return RunState.FINISHED if done else RunState.UNFINISHED


def is_run_folder(folder: Path) -> bool:
    """Whether gmmflex wrote this folder."""
    return (folder / RUN_FILE).is_file()


def begin_run(
    folder: Path,
    command: str,
    config: Mapping[str, Any],
    inputs: Sequence[Path],
    overwrite: bool,
    extra: Mapping[str, Any],
) -> None:
    """Make the folder and write run.json; with `overwrite` an earlier run is deleted first."""
    for path in inputs:
        if overwrite and folder.resolve() in path.resolve().parents:
            raise UserError(
                f"{path} lies in --output {folder}, which --overwrite would delete: give another "
                "output folder"
            )
    try:
        if overwrite and is_run_folder(folder):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(
            folder / RUN_FILE,
            {
                "command": command,
                "config": _plain(config),
                "inputs": [describe_input(path) for path in inputs],
                "versions": _versions(),
                **extra,
            },
        )
    except OSError as fault:
        raise UserError(
            f"--output {folder} cannot be written ({fault.strerror}): choose a folder you may write"
        ) from fault


def finish_run(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write summary.json with status finished: the very last thing a run does."""
    write_json(folder / SUMMARY_FILE, {"status": "finished", **_plain(summary)})


def describe_input(path: Path) -> dict[str, Any]:
    """Path, size in bytes and, for metadata files, the SHA-256 of an input."""
    size = path.stat().st_size
    entry: dict[str, Any] = {"path": str(path.resolve()), "bytes": size}
    if path.suffix.lower() in _CHECKSUM_SUFFIXES and size <= _CHECKSUM_LIMIT_BYTES:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        entry["sha256"] = digest.hexdigest()
    return entry


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; UserError if the file is missing or is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as fault:
        raise UserError(f"{path} does not exist: check the path") from fault
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as fault:
        raise UserError(f"{path} is not a readable JSON file: {fault}") from fault
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object: give the file that gmmflex wrote")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """JSON, written whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_plain(content), indent=2) + "\n", encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well.

    Raises UserError if the disk does not take it; what was there before stays.
    """
    try:
        with _replacing(path) as temporary:
            yield temporary
    except UserError:
        raise
    except Exception as raised:
        fault = file_fault(raised)
        beside = fault is not None and Path(fault.path).name.startswith(f".{path.name}.")
        if fault is None or (fault.path and not beside):
            raise
        raise UserError(
            f"{path} cannot be written ({fault.why}): {fault.remedy}, and run the command again"
        ) from raised


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results are to be read by the group as usual.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """The value as JSON would give it back: paths as text, tuples as lists, numpy as numbers."""
    return json.loads(json.dumps(value, default=_json_default))


def _json_default(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def _versions() -> dict[str, str]:
    versions = {"gmmflex": __version__, "python": platform.python_version()}
    for name in ("torch", "numpy", "scipy", "gemmi", "mrcfile"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
