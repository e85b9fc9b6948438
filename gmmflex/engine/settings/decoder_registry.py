"""The kinds of decoders there are, by name: a new one is one file and one line here.

A kind of another package has no line here: the package names it in its own metadata,

    [project.entry-points."gmmflex.decoders"]
    elastic = "my_package.elastic:Elastic"

and it is known to every command from when the package is installed. Names are known without
loading anything; the file of a kind is loaded when the kind is first asked for. Needs no torch.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from gmmflex.engine.settings.decoder_kind import DecoderSpec

GROUP = "gmmflex.decoders"
# By path: the networks stand on a higher floor, and need torch.
BUILT_IN = {
    "free": "gmmflex.engine.nets.decoders.free:Free",
    "hierarchical": "gmmflex.engine.nets.decoders.hierarchical:Hierarchical",
    "rigid": "gmmflex.engine.nets.decoders.rigid:Rigid",
}
_Kind = TypeVar("_Kind", bound="type[DecoderSpec]")
_registered: dict[str, type[DecoderSpec]] = {}


class UnknownDecoder(ValueError):
    """No decoder has this name here; the text is one sentence."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


class BrokenDecoder(UnknownDecoder):
    """A package brings a decoder of this name, but it cannot be used."""


def decoder_names() -> tuple[str, ...]:
    """The built-in ones, those of this process, those of other packages; nothing is loaded."""
    return tuple(dict.fromkeys((*BUILT_IN, *_registered, *sorted(_entry_points()))))


def register_decoder(kind: _Kind) -> _Kind:
    """Make a kind of decoder known in this process, as in a notebook; also a class decorator.

    Nothing is written anywhere: a command, another process of torchrun, `rerun` or a window of
    Scipion knows it only by an entry point (above). A class that is defined again, as in a cell
    that is run twice, replaces the former one.

    Raises:
        ValueError: the name is taken by a built-in kind or another class, or is no plain name.
    """
    name = kind.name
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"decoder {name!r}: give letters, digits and the signs _ and - only")
    before = _registered.get(name)
    if name in BUILT_IN or (before is not None and _place(before) != _place(kind)):
        raise ValueError(f"decoder {name}: that name is taken: give another")
    _registered[name] = kind
    return kind


def forget_decoder(name: str) -> None:
    """Undo `register_decoder`."""
    _registered.pop(name, None)


def decoder_spec(name: str) -> DecoderSpec:
    """The kind of that name, as far as settings need it; its file is loaded.

    Raises:
        UnknownDecoder: there is none, or (BrokenDecoder) two packages bring one, or it cannot be
            loaded.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return _made(name, getattr(import_module(module), attribute))
    if name in _registered:
        return _made(name, _registered[name])
    found = _entry_points().get(name, [])
    if not found:
        raise UnknownDecoder(
            name,
            f"there is no such decoder: give one of {', '.join(decoder_names())}, or install the "
            "package that brings it",
        )
    if len({point.value for point in found}) > 1:
        packages = " and ".join(_package(point) for point in found)
        raise BrokenDecoder(
            name, f"the packages {packages} both bring a decoder {name}: remove one of them"
        )
    try:
        kind = found[0].load()
    # Whatever the code of another package may raise when it is imported.
    except Exception as fault:
        raise BrokenDecoder(
            name,
            f"the decoder {name} of the package {_package(found[0])} cannot be loaded "
            f"({type(fault).__name__}: {fault}): repair or remove that package",
        ) from fault
    return _made(name, kind)


def _made(name: str, kind: Any) -> DecoderSpec:
    from gmmflex.engine.settings.decoder_kind import DecoderSpec

    if not (isinstance(kind, type) and issubclass(kind, DecoderSpec) and kind.name == name):
        raise BrokenDecoder(
            name,
            f"what is registered as decoder {name} is no subclass of DecoderKind with that name: "
            "repair or remove the package that brings it",
        )
    try:
        return kind()
    except TypeError as fault:
        raise BrokenDecoder(
            name, f"the decoder {name} is incomplete ({fault}): repair or remove its package"
        ) from fault


def _entry_points() -> dict[str, list[EntryPoint]]:
    """By name, of all packages that are installed."""
    # Not at the top: that and the search take longer than all else of `gmmflex --help`.
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, []).append(point)
    return found


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def _place(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__
