"""Bad states of the machine: full disks, read-only ones, such that vanish, and signals."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.bad_states_run import Case, Try

_MORE = "size=256m"


class Disk:
    """A small disk in memory, mounted at `place`; only root may make one."""

    def __init__(self, place: Path, size_kB: int) -> None:
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", f"size={size_kB}k,mode=755", "tmpfs", place)

    def grow(self) -> None:
        self._mount("-o", f"remount,{_MORE}", self.place)

    def forbid(self) -> None:
        """Read-only from now on, as a file server's fault makes it, whatever is open there."""
        self._mount("--bind", self.place, self.place)
        self._mount("-o", "remount,ro,bind", self.place)

    def allow(self) -> None:
        self.unmount()

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=True)

    @staticmethod
    def _mount(*words: object) -> None:
        subprocess.run(["mount", *map(str, words)], check=True)


def machine_cases(commands: dict[str, tuple[str, ...]], work: Path) -> Iterator[tuple[str, Case]]:
    """Name of each state and the case; commands: words of each, without --output."""
    place = work / "disk"
    for command in ("neutral", "heterogeneity", "reconstruct"):
        words = commands[command]
        for share in (0.0, 0.02, 0.3, 0.6, 0.9):
            yield (
                f"disk full, {100 * share:.0f} % of the need free",
                _full(words, place, share, work),
            )
        yield "output on a read-only disk", _read_only(words, place)
        if command != "reconstruct":  # which imports more than such a user may read here
            yield "output's parent belongs to another user", _foreign(words, place)
        yield "output on a disk that is no longer mounted", _unmounted(words, place)
    yield "disk full, 50 % of the need free", _full(commands["simulate"], place, 0.5, work)
    for command in ("morph", "landscape"):
        yield "disk full, 0 % of the need free", _full(commands[command], place, 0.0, work)
        yield "disk full, 60 % of the need free", _full(commands[command], place, 0.6, work)
        yield "output on a read-only disk", _read_only(commands[command], place)
    training = commands["heterogeneity"]
    yield "disk becomes read-only in training", _read_only(training, place, "epoch 1/")
    yield "disk vanishes in training", _vanishing(training, place, work)
    yield "a job's disk is full in training", _filled(training, place, "epoch 1/")
    for number, line in ((signal.SIGTERM, "epoch 1/"), (signal.SIGINT, "reading particles")):
        yield f"{signal.Signals(number).name}", _signalled(training, work, number, line)
    yield (
        "SIGHUP",
        _signalled(commands["reconstruct"], work, signal.SIGHUP, "inserting particles"),
    )


def _try(words: tuple[str, ...], output: Path, *names: str, **more: object) -> Try:
    return Try((*words, "--output", str(output)), output, names, **more)  # type: ignore[arg-type]


def _need_kB(words: tuple[str, ...], work: Path) -> int:
    """What the command's finished folder takes, from the run that was made at the start."""
    folder = work / f"finished_{words[0]}"
    return sum(4 * (1 + path.stat().st_size // 4096) for path in folder.rglob("*"))


def _full(words: tuple[str, ...], place: Path, share: float, work: Path) -> Case:
    def case() -> Iterator[Try]:
        need_kB = _need_kB(words, work)
        disk = Disk(place, max(8, int(share * need_kB)))
        try:
            if share == 0.0:
                with suppress(OSError), (place / "ballast").open("wb", buffering=0) as ballast:
                    while True:
                        ballast.write(bytes(4096))
            tried = _try(words, place / "run", str(place / "run"))
            yield tried
            disk.grow()
            yield tried
        finally:
            disk.unmount()

    return case


def _filled(words: tuple[str, ...], place: Path, line: str) -> Case:
    def case() -> Iterator[Try]:
        disk = Disk(place, 65536)
        try:
            tried = _try(
                words,
                place / "run",
                str(place / "run"),
                at_line=line,
                then=lambda: _fill(place / "another"),
            )
            yield tried
            (place / "another").unlink()
            yield _try(words, place / "run")
        finally:
            disk.unmount()

    return case


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as other:
        while True:
            other.write(bytes(4096))


def _read_only(words: tuple[str, ...], place: Path, line: str | None = None) -> Case:
    def case() -> Iterator[Try]:
        disk = Disk(place, 65536)
        try:
            if line is None:
                disk.forbid()
            yield _try(
                words,
                place / "run",
                str(place / "run"),
                at_line=line,
                then=lambda: disk.forbid(),
            )
            disk.allow()
            yield _try(words, place / "run")
        finally:
            disk.unmount()

    return case


def _foreign(words: tuple[str, ...], place: Path) -> Case:
    def case() -> Iterator[Try]:
        disk = Disk(place, 65536)
        try:
            yield _try(words, place / "run", str(place / "run"), as_nobody=True)
            yield _try(words, place / "run")
        finally:
            disk.unmount()

    return case


def _unmounted(words: tuple[str, ...], place: Path) -> Case:
    """The folder that held the disk is a broken link until it is mounted again."""

    def case() -> Iterator[Try]:
        link = place.with_name("link_to_disk")
        link.symlink_to(place.with_name("not_there"))
        output = link / "run"
        try:
            yield _try(words, output, str(output), str(link))
            place.with_name("not_there").mkdir()
            yield _try(words, output)
        finally:
            link.unlink()
            shutil.rmtree(place.with_name("not_there"), ignore_errors=True)

    return case


def _vanishing(words: tuple[str, ...], place: Path, work: Path) -> Case:
    def case() -> Iterator[Try]:
        behind = work / "behind"
        shutil.rmtree(behind, ignore_errors=True)
        behind.mkdir()
        place.mkdir(exist_ok=True)
        bind = ["mount", "--bind", str(behind), str(place)]
        subprocess.run(bind, check=True)
        away = ["umount", "-l", str(place)]
        yield _try(
            words,
            place / "run",
            str(place / "run"),
            at_line="epoch 1/",
            then=lambda: subprocess.run(away, check=True) and None,
        )
        subprocess.run(bind, check=True)
        try:
            yield _try(words, place / "run")
        finally:
            subprocess.run(away, check=True)

    return case


def _signalled(words: tuple[str, ...], work: Path, number: int, line: str) -> Case:
    def case() -> Iterator[Try]:
        output = work / "signalled"
        shutil.rmtree(output, ignore_errors=True)
        names = (signal.Signals(number).name, "Ctrl-C")
        yield _try(words, output, *names, at_line=line, signal=number)
        yield _try(words, output)

    return case
