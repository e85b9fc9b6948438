"""Where the image stacks of a particle file lie on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmmflex.engine.io.errors import UserError


@dataclass(frozen=True)
class LocatedStacks:
    """Stack files in the order of the names; None where nothing was found."""

    names: tuple[str, ...]
    paths: tuple[Path | None, ...]
    searched: tuple[Path, ...]

    def missing(self) -> list[str]:
        return [name for name, path in zip(self.names, self.paths, strict=True) if path is None]

    def require(self, source: Path) -> list[Path]:
        """Every path, or a UserError that names the first missing stack."""
        missing = self.missing()
        if missing:
            # the file's own folder and the last one of the search say enough; all would be a page
            folders = ", ".join(str(folder) for folder in self.searched)
            raise UserError(
                f"{source} names {len(missing)} of {len(self.names)} image stacks that cannot be "
                f"found, the first is {missing[0]} (searched in {folders}); give the folder that "
                "holds them with --image-root."
            )
        return [path for path in self.paths if path is not None]


def locate_stacks(
    names: Sequence[str], source: Path, image_root: Path | None = None
) -> LocatedStacks:
    """Find each stack: absolute, under `image_root` (also by its bare name), beside `source`, or
    under any parent folder of `source` (RELION and cryoSPARC projects) or the current folder.

    Raises:
        UserError: `image_root` is not a folder.
    """
    if image_root is not None and not image_root.is_dir():
        raise UserError(
            f"--image-root {image_root} is not a folder; give the folder of the stacks."
        )
    searched = _search_folders(source, image_root)
    folders = list(searched)
    found: list[Path | None] = []
    for name in names:
        places = _places(Path(name), folders, image_root)
        at = next((i for i, place in enumerate(places) if _is_there(place)), None)
        found.append(None if at is None else places[at])
        if at and at < len(folders) and not Path(name).is_absolute():
            # stacks of one file nearly always lie under one folder: look there first from now on
            folders.insert(0, folders.pop(at))
    return LocatedStacks(tuple(names), tuple(found), tuple(searched))


def _places(stack: Path, folders: Sequence[Path], image_root: Path | None) -> list[Path]:
    places = [stack] if stack.is_absolute() else [folder / stack for folder in folders]
    return places if image_root is None else [*places, image_root.absolute() / stack.name]


def _is_there(place: Path) -> bool:
    """False also where a name is too long, or a folder may not be looked into."""
    try:
        return place.is_file()
    except OSError:
        return False


def _search_folders(source: Path, image_root: Path | None) -> list[Path]:
    absolute = source.absolute()
    # absolute, so that a process started elsewhere finds the same files
    folders = [] if image_root is None else [image_root.absolute()]
    folders += [*absolute.parents, *absolute.resolve().parents, Path.cwd()]
    top = Path(absolute.anchor)
    return [folder for folder in dict.fromkeys(folders) if folder != top] or [top]
