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
    roots = _search_folders(source, image_root)
    found: list[Path | None] = []
    # stacks of one file nearly always lie under one folder: the last that served goes first
    likely = roots[0]
    for name in names:
        hit: Path | None = None
        if Path(name).is_absolute() and Path(name).is_file():
            hit = Path(name)
        for root in () if hit else (likely, *roots):
            # a leading slash is dropped under image_root only through the bare name below
            if not Path(name).is_absolute() and (root / name).is_file():
                hit, likely = root / name, root
                break
        if hit is None and image_root is not None and (image_root / Path(name).name).is_file():
            hit = image_root / Path(name).name
        found.append(hit)
    return LocatedStacks(tuple(names), tuple(found), tuple(roots))


def _search_folders(source: Path, image_root: Path | None) -> list[Path]:
    absolute = source.absolute()
    folders = [] if image_root is None else [image_root]
    folders += [*absolute.parents, *absolute.resolve().parents, Path.cwd()]
    top = Path(absolute.anchor)
    return [folder for folder in dict.fromkeys(folders) if folder != top] or [top]
