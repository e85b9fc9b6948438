"""The run folder: what went in (run.json), whether it is done (summary.json), atomic writing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.runs.run_lock import LOCK_FILE, holds_nothing
from gmmflex.engine.io.runs.run_record import changed_inputs, describe_input, versions
from gmmflex.engine.io.writing import _to_disk, replacing

RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"

# Where and how fast a run goes on changes nothing of what it computes.
_MAY_DIFFER = {"threads", "device", "output", "memory_limit_GB"}


class RunState(Enum):
    """What a run folder holds before a command starts."""

    NEW = "new"
    UNFINISHED = "unfinished"
    FINISHED = "finished"


def run_state(
    folder: Path,
    command: str,
    config: Mapping[str, Any],
    overwrite: bool,
    usual: Mapping[str, Any] | None = None,
) -> RunState:
    """Whether the command starts anew, goes on, or has nothing to do; changes nothing.

    usual: settings that a run of an earlier version does not name, and what they were.

    Raises UserError if the folder holds something else: other files, another command, or the same
    command with other settings.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output {folder} is a file: give a new or empty folder")
    if not folder.exists() or holds_nothing(folder):
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
    told, own = stored.get("config"), _plain(config)
    before = {**_plain(usual or {}), **(told if isinstance(told, dict) else {})}
    changed = sorted(
        name for name in {*before, *own} - _MAY_DIFFER if before.get(name) != own.get(name)
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
    """Make the folder and write run.json; with `overwrite` an earlier run is deleted first.

    Raises UserError if it cannot be written, if an earlier run holds an input, or if inputs of an
    unfinished run have changed since it began.
    """
    for path in inputs:
        if overwrite and folder.resolve() in path.resolve().parents:
            raise UserError(
                f"{path} lies in --output {folder}, which --overwrite would delete: give another "
                "output folder"
            )
    try:
        if overwrite and is_run_folder(folder):
            clear_folder(folder)
        refuse_changed_inputs(folder, inputs)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(
            folder / RUN_FILE,
            {
                "command": command,
                "config": _plain(config),
                "inputs": [describe_input(path) for path in inputs],
                "versions": versions(),
                # Paths of the settings may be relative to it.
                "started_in": str(Path.cwd()),
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
    # Not every file system can do that of a folder.
    with suppress(OSError):
        _to_disk(folder)


def refuse_changed_inputs(folder: Path, inputs: Sequence[Path]) -> None:
    """UserError if an input is not what it was when the run in `folder`, if any, began."""
    if not is_run_folder(folder):
        return
    changed = changed_inputs(read_json(folder / RUN_FILE).get("inputs"), inputs)
    if changed:
        raise UserError(
            f"the run in --output {folder} was begun with other input: {'; '.join(changed)}; put "
            "it back to go on, or start again with --overwrite"
        )


def clear_folder(folder: Path) -> None:
    """Delete the run in the folder, which stays; killed in between, it is an unfinished run."""
    (folder / SUMMARY_FILE).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in (RUN_FILE, LOCK_FILE):
            path.unlink()
    (folder / RUN_FILE).unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; UserError if the file is missing or is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as fault:
        raise UserError(f"{path} does not exist: check the path") from fault
    # ValueError: also of text that is not UTF-8 and of a number of thousands of digits
    except (OSError, ValueError, RecursionError) as fault:
        raise UserError(f"{path} is not a readable JSON file: {fault}") from fault
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object: give the file that gmmflex wrote")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """JSON, written whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_plain(content), indent=2) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """The value as JSON would give it back: paths as text, tuples as lists, numpy as numbers."""
    return json.loads(json.dumps(value, default=_json_default))


def _json_default(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
