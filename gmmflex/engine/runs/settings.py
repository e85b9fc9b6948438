"""The settings of an earlier run, as run.json keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.runs.source import config_of_run
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.settings.options.faults import KeyNames, sentences

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


_FILES = ("neutral", "mask", "model", "bonds")


def settings_of_run(run: Path) -> HeterogeneitySettings:
    """The settings of a run; its files have to be where it found them.

    Raises UserError if one is not: paths may be relative to where the run was started.
    """
    try:
        settings = settings_of(HeterogeneitySettings, config_of_run(run))
    except (TypeError, ValidationError) as fault:
        raise UserError(
            f"{run} was not written by this version of 'gmmflex heterogeneity': run it again"
        ) from fault
    for name in _FILES:
        path = getattr(settings, name)
        if path is not None and str(path) != "model" and not path.exists():
            raise UserError(
                f"{path}, the {name} of {run}, is not there: start 'gmmflex poses' in the folder "
                "in which that analysis was started"
            )
    return settings


def settings_from(kind: type[_Settings], /, **values: Any) -> _Settings:
    """The settings that a program gives by their names; what is not given has its usual value.

    Raises UserError for a name that is not known or a value that is not allowed.
    """
    try:
        return kind(**values)
    except ValidationError as fault:
        raise UserError("; ".join(sentences(fault, kind, KeyNames()))) from fault
