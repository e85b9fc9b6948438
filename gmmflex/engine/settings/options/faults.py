"""What is wrong with settings, in sentences that name what the person gave."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gmmflex.engine.settings.options.setting import Setting, model_in, setting_of, settings_of

Place = tuple[str | int, ...]
_BOUND_KINDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


class Names(Protocol):
    """How a setting is called where it was given; place: its keys and numbers in lists."""

    def name(self, place: Place) -> str:
        """Of the setting alone: `--resolution`."""

    def where(self, place: Place) -> str:
        """With where it stands: `rounds[0] in FILE.json`."""

    def given(self, place: Place, value: Any) -> str:
        """With what was given: `--resolution 0.5`."""


@dataclass(frozen=True)
class KeyNames:
    """The names of the settings themselves; source: file that they stand in, if any."""

    source: str | None = None

    def name(self, place: Place) -> str:
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
        return key.removeprefix(".")

    def where(self, place: Place) -> str:
        return self.name(place) + ("" if self.source is None else f" in {self.source}")

    def given(self, place: Place, value: Any) -> str:
        # All the settings of a decoder, say, would hide what is wrong with them.
        if isinstance(value, dict | list | tuple):
            return self.where(place)
        return f"{self.where(place)} is {_as_json(value)}"


@dataclass(frozen=True)
class OptionNames:
    """The options of a command line. typed: what was given there, by setting; anything else came
    from `others`."""

    kind: type[BaseModel]
    typed: Mapping[str, Any]
    others: KeyNames = KeyNames()

    def name(self, place: Place) -> str:
        setting = self._setting(place)
        # Beside a config file what was not typed is a key of it.
        elsewhere = self.others.source is not None and place[0] not in self.typed
        if setting is None or len(place) > 2 or not setting.option or elsewhere:
            return self.others.name(place)
        return setting.option

    def where(self, place: Place) -> str:
        return self.name(place) if place[0] in self.typed else self.others.where(place)

    def given(self, place: Place, value: Any) -> str:
        if place[0] not in self.typed:
            return self.others.given(place, value)
        typed = self.typed[str(place[0])]
        if isinstance(typed, list | tuple):
            typed = typed[place[1]] if len(place) > 1 and isinstance(place[1], int) else ""
        elif len(place) > 1:
            typed = value
        return f"{self.name(place)} {typed}".strip()

    def _setting(self, place: Place) -> Setting | None:
        known = place and str(place[0]) in self.kind.model_fields
        return setting_of(self.kind, str(place[0])) if known else None


def sentences(fault: ValidationError, kind: type[BaseModel], names: Names) -> list[str]:
    """One sentence, without its full stop, for each setting that is wrong."""
    found: dict[Place, str] = {}
    for error in fault.errors():
        place = _place(error)
        if not any(_one_in_other(place, other) for other in found):
            found[place] = _sentence(error, place, kind, names)
    return list(found.values())


def _one_in_other(one: Place, other: Place) -> bool:
    """Whether a setting holds the other, so that what is wrong was said already."""
    shorter = min(len(one), len(other))
    return shorter > 0 and one[:shorter] == other[:shorter]


def _sentence(error: ErrorDetails, place: Place, kind: type[BaseModel], names: Names) -> str:
    context = error.get("ctx", {})
    if error["type"] == "contradiction":
        words = _named(context, names)
        return words if not place else f"{names.where(place)}: {words}"
    message = _lower_first(error["msg"].removeprefix("Value error, "))
    if not place:
        return message
    if error["type"] == "extra_forbidden":
        return _unknown(place, kind, names)
    if error["type"] == "missing":
        return f"{names.where(place)} is missing: give it"
    return f"{names.given(place, error['input'])}: {_remedy(error, place, kind) or message}"


def _remedy(error: ErrorDetails, place: Place, kind: type[BaseModel]) -> str | None:
    """What to give instead; None where the message of the fault says so itself."""
    setting = _setting_at(place, kind)
    if setting is None or error["type"] in ("value_error", "assertion_error"):
        return None
    if error["type"] in _BOUND_KINDS:
        return f"give {setting.bounds.words(setting.unit)}"
    if error["type"] == "too_short":
        return "give at least one"
    if error["type"] in ("tuple_type", "list_type"):
        return f"give a list of values, each {setting.asks_for()}"
    if error["type"] in ("model_type", "dict_type"):
        return 'give settings in braces, as in {"name": …}'
    known = error["type"] == "literal_error" or error["type"].startswith(
        ("int_", "float_", "bool_", "string_", "path_")
    )
    return f"give {setting.asks_for()}" if known else None


def _named(context: Mapping[str, Any], names: Names) -> str:
    """The template of a contradiction with each setting as the person knows it."""
    words = {key: names.name((key,)) for key in context if key != "template"}
    return str(context["template"]).format(**words)


def _unknown(place: Place, kind: type[BaseModel], names: Names) -> str:
    model = _model_at(place[:-1], kind) or kind
    key = str(place[-1])
    known = {setting.name: setting.name for setting in settings_of(model)}
    known |= {s.option.removeprefix("--"): s.name for s in settings_of(model) if s.option}
    plain = key.removeprefix("--")
    close = [plain] if plain in known else difflib.get_close_matches(plain, known, n=1)
    remedy = (
        f"did you mean {known[close[0]]}"
        if close
        else f"give {', '.join(sorted(set(known.values())))}"
    )
    return f"there is no setting {names.where(place)}: {remedy}"


def _place(error: ErrorDetails) -> Place:
    """Where a fault lies, without what pydantic adds for the branches of a union."""
    where = error["loc"]
    # A key that nobody knows may look like anything.
    known = where[:-1] if error["type"] == "extra_forbidden" else where
    ours = tuple(part for part in known if isinstance(part, int) or part.isidentifier())
    return (*ours, *where[len(known) :])


def _models(place: Place, kind: type[BaseModel]) -> Iterator[tuple[type[BaseModel], Place]]:
    """Each settings model on the way to a place, with what is left of the way."""
    model: type[BaseModel] | None = kind
    left = place
    while model is not None and left:
        yield model, left
        field = model.model_fields.get(str(left[0]))
        model = None if field is None else model_in(field.annotation)
        left = left[1:]
        while left and isinstance(left[0], int):
            left = left[1:]
    if model is not None:
        yield model, ()


def _model_at(place: Place, kind: type[BaseModel]) -> type[BaseModel] | None:
    return next((model for model, left in _models(place, kind) if not left), None)


def _setting_at(place: Place, kind: type[BaseModel]) -> Setting | None:
    found = None
    for model, left in _models(place, kind):
        if left and str(left[0]) in model.model_fields:
            found = setting_of(model, str(left[0]))
    return found


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
