"""One setting as commands and forms show it: name, unit, bounds, default, help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gmmflex.engine.settings.options.option import Option

UNITS: Mapping[str, str] = {
    "A": "Å",
    "A2": "Å²",
    "px": "px",
    "GB": "GB",
    "deg": "degrees",
    "kv": "kV",
    "mm": "mm",
}
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}


@dataclass(frozen=True)
class Bounds:
    """What a number may be; None: no bound. at_least and at_most are allowed themselves."""

    at_least: float | None = None
    more_than: float | None = None
    at_most: float | None = None
    less_than: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.more_than is None or value > self.more_than)
            and (self.at_most is None or value <= self.at_most)
            and (self.less_than is None or value < self.less_than)
        )

    def words(self, unit: str = "") -> str:
        """ "1 to 64", "more than 1 Å and at most 100 Å"; empty without a bound."""
        sign = f" {unit}" if unit else ""
        if self.at_least is not None and self.at_most is not None:
            return f"{_plain(self.at_least)} to {_plain(self.at_most)}{sign}"
        parts = (
            ("at least", self.at_least),
            ("more than", self.more_than),
            ("at most", self.at_most),
            ("less than", self.less_than),
        )
        words = " and ".join(
            f"{word} {_plain(bound)}" for word, bound in parts if bound is not None
        )
        return f"{words}{sign}" if words else ""

    @property
    def goes_without_saying(self) -> bool:
        """Nobody gives a seed below 0, or less than one thing."""
        lower = {self.at_least, self.more_than} - {None}
        return self.at_most is None and self.less_than is None and lower <= {0, 1}


@dataclass(frozen=True)
class Setting:
    """One field of a settings model."""

    name: str
    field: FieldInfo

    @property
    def option(self) -> str:
        """`--resolution`; PARTICLES for an argument; empty where only a config file has it."""
        given = self.marks.name
        if self.marks.argument:
            return (given or self.name).upper()
        if given == "":
            return ""
        return given or "--" + self._without_unit().replace("_", "-")

    @property
    def marks(self) -> Option:
        found = [mark for mark in self.field.metadata if isinstance(mark, Option)]
        return found[-1] if found else Option()

    @property
    def unit(self) -> str:
        """ "Å", "px", ...; empty for a plain number."""
        return UNITS.get(self.name.rpartition("_")[2], "")

    @property
    def bounds(self) -> Bounds:
        """Bounds of the number, or of each number of several."""
        return _bounds([*self.field.metadata, *_item_metadata(self.field.annotation)])

    @property
    def value_type(self) -> Any:
        """int, float, bool, str, Path, Literal[...]; of several values the type of one."""
        kind = _plain_type(self.field.annotation)
        return _plain_type(get_args(kind)[0]) if get_origin(kind) is tuple else kind

    @property
    def choices(self) -> tuple[str, ...]:
        """What a word may be; empty where it is not one of a list."""
        kind = self.value_type
        return tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else ()

    @property
    def repeated(self) -> bool:
        """Several values, each given by an option of its own."""
        several = get_origin(_plain_type(self.field.annotation)) is tuple
        return several and not self.marks.one_text

    @property
    def required(self) -> bool:
        return self.field.is_required()

    @property
    def default(self) -> Any:
        return self.field.get_default(call_default_factory=True)

    @property
    def usual(self) -> Any:
        """The number that is taken where none is given; None if it is found out."""
        empty = self.marks.empty
        return empty if self.default is None and isinstance(empty, int) else self.default

    @property
    def help(self) -> str:
        """The description with the default and the bounds: what `--help` shows."""
        text = (self.field.description or "").strip()
        shown = _shown_default(self)
        limits = "" if self.bounds.goes_without_saying else self.bounds.words(self.unit)
        if shown and limits:
            tail = f"[default: {shown}; {limits}]"
        else:
            tail = f"[default: {shown}]" if shown else (f"[{limits}]" if limits else "")
        return "  ".join(part for part in (text, tail) if part)

    @property
    def advice(self) -> str:
        """What a form says: at length, else the description."""
        return self.marks.advice or self.field.description or ""

    def asks_for(self) -> str:
        """What to give: "a whole number, 1 to 64", "kmeans, mixture or hdbscan"."""
        if self._of_several_types:
            text = (self.field.description or "").rstrip(".")
            return text[:1].lower() + text[1:]
        if self.choices:
            *first, last = self.choices
            return f"{', '.join(first)} or {last}" if first else last
        if isinstance(self.value_type, type) and issubclass(self.value_type, (BaseModel, dict)):
            return "settings in braces"
        kind = _KINDS.get(self.value_type, "a text")
        limits = self.bounds.words(self.unit)
        return f"{kind}, {limits}" if limits else kind

    @property
    def _of_several_types(self) -> bool:
        return get_origin(_unwrapped(self.field.annotation)) in (Union, UnionType)

    def _without_unit(self) -> str:
        stem, _, unit = self.name.rpartition("_")
        return stem if stem and unit in UNITS else self.name


def setting_of(kind: type[BaseModel], name: str) -> Setting:
    """Raises KeyError where there is none of that name."""
    return Setting(name, kind.model_fields[name])


def settings_of(kind: type[BaseModel]) -> Iterator[Setting]:
    """All settings, in the order in which they are declared."""
    return (Setting(name, field) for name, field in kind.model_fields.items())


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The settings model that a type holds, as tuple[DecoderSettings, ...] does."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (model_in(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _shown_default(setting: Setting) -> str:
    if setting.required:
        return ""
    value = setting.default
    if value is None or setting.marks.empty is not None:
        return str(setting.marks.empty or "")
    if isinstance(value, bool) or value == ():
        return ""
    if isinstance(value, tuple):
        return ",".join(map(_plain, value))
    return _plain(value)


def _plain(value: Any) -> str:
    """A number as people write it, 10000 and 0.001; anything else as it is."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def _bounds(metadata: list[Any]) -> Bounds:
    found = {
        name: getattr(mark, sign)
        for name, sign in (
            ("at_least", "ge"),
            ("more_than", "gt"),
            ("at_most", "le"),
            ("less_than", "lt"),
        )
        for mark in metadata
        if getattr(mark, sign, None) is not None
    }
    return Bounds(**found)


def _item_metadata(annotation: Any) -> list[Any]:
    """What limits each of several values: the metadata of tuple[Annotated[float, ...], ...]."""
    kind = _unwrapped(annotation)
    if get_origin(kind) is not tuple:
        return []
    item = get_args(kind)[0]
    marks = get_args(item)[1:] if get_origin(item) is Annotated else ()
    return [part for mark in marks for part in (getattr(mark, "metadata", None) or [mark])]


def _unwrapped(annotation: Any) -> Any:
    """Without Annotated and None; a union of several types as it is."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if origin in (Union, UnionType):
        plain = [part for part in get_args(annotation) if part is not NoneType]
        return _unwrapped(plain[0]) if len(plain) == 1 else annotation
    return annotation


def _plain_type(annotation: Any) -> Any:
    kind = _unwrapped(annotation)
    return str if get_origin(kind) in (Union, UnionType) else kind
