"""Scipion's project window on a hidden display, told what to do and looked at."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from virtual_display import screenshot, virtual_display, wait_for_window

REPOSITORY = Path(__file__).resolve().parents[1]


def picture_folder() -> Path:
    """Where pictures go: GMMFLEX_SCREENSHOTS, else build/screenshots."""
    folder = Path(os.environ.get("GMMFLEX_SCREENSHOTS", REPOSITORY / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class Window:
    """The running project window."""

    environment: dict[str, str]
    commands: Path
    log: Path

    def tell(self, *lines: str) -> None:
        """Commands of gui_driver.py."""
        with self.commands.open("a") as stream:
            stream.writelines(line + "\n" for line in lines)

    def wait_for_line(self, text: str, patience_s: float = 60.0) -> None:
        """Until the window has printed a text."""
        until = time.monotonic() + patience_s
        while text not in (said := self.log.read_text(errors="replace")):
            assert time.monotonic() < until, f"no {text!r} in:\n{said[-3000:]}"
            time.sleep(0.2)

    def check(self, title: str, path: Path, whole_screen: bool = False) -> None:
        """Save a picture of a window; it shows something, and nothing went wrong so far."""
        number = wait_for_window(self.environment, title)
        spread = screenshot(self.environment, "root" if whole_screen else number, path)
        assert spread > 8, f"{path} is blank"
        said = self.log.read_text(errors="replace")
        assert "Traceback" not in said, said[-3000:]


@contextmanager
def project_window(project_folder: str, name: str, folder: Path) -> Iterator[Window]:
    """Open the window of a project; closed at the end of the block."""
    commands, log = folder / "commands.txt", folder / "window.log"
    commands.touch()
    with virtual_display() as environment, log.open("w") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                str(REPOSITORY / "tests" / "gui_driver.py"),
                project_folder,
                str(commands),
            ],
            env=environment,
            cwd=project_folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        shown = Window(environment, commands, log)
        try:
            wait_for_window(environment, name)
            yield shown
            shown.tell("quit")
            time.sleep(1)
        finally:
            process.terminate()
            process.wait(timeout=20)
