"""The settings of an earlier run, as run.json keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

_Settings = TypeVar("_Settings", bound=BaseModel)


def settings_of(kind: type[_Settings], config: Mapping[str, Any]) -> _Settings:
    """The settings that wrote `config`; what has its usual value counts as not said, for some
    settings exclude others.

    Raises pydantic's ValidationError if another version wrote them.
    """
    told = {}
    for name, value in config.items():
        field = kind.model_fields.get(name)
        if field is None or field.is_required() or value != _usual(kind, name):
            told[name] = value
    return kind(**told)


def _usual(kind: type[BaseModel], name: str) -> Any:
    """The default of a setting, as JSON has it."""
    field = kind.model_fields[name]
    value = field.get_default(call_default_factory=True)
    plain = kind.model_construct(**{name: value}).model_dump(
        mode="json", include={name}, warnings=False
    )
    return plain[name]
