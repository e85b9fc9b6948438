"""A display that nobody sees: Xvfb, a window manager, windows by title, screenshots."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEEDED = ("Xvfb", "openbox", "wmctrl", "import", "xdotool")
START_S = 20


def missing_programs() -> list[str]:
    return [name for name in NEEDED if shutil.which(name) is None]


@contextmanager
def virtual_display(size: str = "1600x1000x24") -> Iterator[dict[str, str]]:
    """Environment of a fresh display with a window manager; both end with the block."""
    if missing := missing_programs():
        raise RuntimeError(f"no {', '.join(missing)}: run scripts/install_system_packages.sh")
    reader, writer = os.pipe()
    # Xvfb finds a free number by itself and writes it to the pipe
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", size, "-nolisten", "tcp"],
        pass_fds=(writer,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    manager = None
    try:
        ready, _, _ = select.select([reader], [], [], START_S)
        number = os.read(reader, 20).decode().strip() if ready else ""
        if not number:
            raise RuntimeError("Xvfb did not start")
        environment = {**os.environ, "DISPLAY": f":{number}"}
        manager = subprocess.Popen(
            ["openbox"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(0.5)
        yield environment
    finally:
        os.close(reader)
        for process in (manager, server):
            if process is not None:
                process.terminate()
                process.wait(timeout=10)


def windows(environment: dict[str, str]) -> dict[str, str]:
    """Title -> window id of everything on the display."""
    listed = subprocess.run(
        ["wmctrl", "-l"], env=environment, capture_output=True, text=True, check=False
    ).stdout
    rows = (line.split(None, 3) for line in listed.splitlines())
    return {row[3]: row[0] for row in rows if len(row) == 4}


def wait_for_window(environment: dict[str, str], title: str, seconds: float = 60) -> str:
    """Id of the window whose title contains `title`; AssertionError if none appears."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, number in windows(environment).items():
            if title in name:
                return number
        time.sleep(0.3)
    raise AssertionError(f"no window {title!r} appeared; there are {list(windows(environment))}")


def screenshot(environment: dict[str, str], window: str, path: Path) -> float:
    """Save a picture of one window ("root": everything); its standard deviation, 0 if blank.

    Waits until two pictures in a row are equal and not blank, so that nothing is half drawn.
    """
    from PIL import Image, ImageChops, ImageStat

    if window != "root":
        # wherever it was put, into the screen and to the front
        place = ["wmctrl", "-i", "-r", window, "-e", "0,40,40,-1,-1"]
        subprocess.run(place, env=environment, check=True)
        subprocess.run(["wmctrl", "-i", "-a", window], env=environment, check=True)
    previous = None
    for _ in range(25):
        time.sleep(0.4)
        subprocess.run(
            ["import", "-window", window, str(path)], env=environment, check=True, timeout=30
        )
        picture = Image.open(path).convert("RGB")
        if (
            previous is not None
            and previous.size == picture.size
            and ImageChops.difference(previous, picture).getbbox() is None
            and max(ImageStat.Stat(picture).stddev) > 1
        ):
            break
        previous = picture
    return max(ImageStat.Stat(picture).stddev)
