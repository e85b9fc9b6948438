"""Options of a command, made from its settings model: each is declared there and nowhere else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.settings.options.faults import KeyNames, Names, OptionNames, sentences
from gmmflex.engine.settings.options.setting import Setting, settings_of

Command = Callable[..., None]
_Settings = TypeVar("_Settings", bound=BaseModel)
_SHOWN_TYPES = {int: "int", float: "float", Path: "path"}

Config = Annotated[
    Path | None, typer.Option(help="JSON with settings; options given here override it.")
]


def from_settings(command: Command) -> Command:
    """The command with an option for each setting of the model that its first parameter has.

    Further parameters stay as they are. What is not given is left to the model's defaults.
    """
    kind, others = _settings_and_others(command)

    def call(values: dict[str, Any]) -> None:
        typed = _typed(kind, values)
        command(validated(kind, typed, OptionNames(kind, typed)), **values)

    settings = [_parameter(setting, setting.required) for setting in _options(kind)]
    return _with_parameters(command, call, [*settings, *others])


def from_settings_or_config(command: Command) -> Command:
    """As `from_settings`, with an option --config whose file may hold any of the settings."""
    kind, others = _settings_and_others(command)

    def call(values: dict[str, Any]) -> None:
        config = values.pop("config")
        typed = _typed(kind, values)
        command(_of_config(kind, config, typed, command.__name__), **values)

    first, *settings = [_parameter(setting, required=False) for setting in _options(kind)]
    option = inspect.Parameter(
        "config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Config
    )
    return _with_parameters(command, call, [first, option, *settings, *others])


def validated(kind: type[_Settings], values: Mapping[str, Any], names: Names) -> _Settings:
    """The settings; raises UserError that names what is wrong as the person gave it."""
    try:
        return kind(**values)
    except ValidationError as fault:
        raise UserError("; ".join(sentences(fault, kind, names))) from fault


def _of_config(
    kind: type[_Settings], config: Path | None, typed: Mapping[str, Any], command: str
) -> _Settings:
    from gmmflex.engine.io.runs.run_folder import read_json

    values = {**({} if config is None else read_json(config)), **typed}
    for setting in settings_of(kind):
        if setting.required and setting.name not in values:
            raise UserError(
                f"gmmflex {command} needs {setting.option}: give it here or in --config"
            )
    others = KeyNames() if config is None else KeyNames(str(config))
    return validated(kind, values, OptionNames(kind, typed, others))


def _settings_and_others(command: Command) -> tuple[type[BaseModel], list[inspect.Parameter]]:
    first, *others = inspect.signature(command, eval_str=True).parameters.values()
    return first.annotation, [
        other.replace(kind=inspect.Parameter.KEYWORD_ONLY) for other in others
    ]


def _options(kind: type[BaseModel]) -> list[Setting]:
    """Those of the command line, arguments first."""
    given = [setting for setting in settings_of(kind) if setting.option]
    return sorted(given, key=lambda setting: not setting.marks.argument)


def _typed(kind: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """Takes out of `values` what was given for settings."""
    found = {setting.name: values.pop(setting.name) for setting in _options(kind)}
    return {name: value for name, value in found.items() if value is not None}


def _parameter(setting: Setting, required: bool) -> inspect.Parameter:
    """The parameter of the command that typer reads; pydantic checks what it is given."""
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else None,
        annotation=_annotation(setting, required),
    )


def _annotation(setting: Setting, required: bool) -> Any:
    if setting.marks.argument:
        about = typer.Argument(help=setting.help)
        return Annotated[Path, about] if required else Annotated[Path | None, about]
    if setting.value_type is bool:
        both = setting.default is None
        flags = f"{setting.option}/--no-{setting.option[2:]}" if both else setting.option
        return Annotated[bool | None, typer.Option(flags, help=setting.help)]
    option = typer.Option(setting.option, help=setting.help, metavar=_shown_type(setting))
    if setting.repeated:
        return Annotated[list[str] | None, option]
    return Annotated[str, option] if required else Annotated[str | None, option]


def _shown_type(setting: Setting) -> str:
    if setting.marks.one_text:
        return "<str>"
    shown = "|".join(setting.choices) or _SHOWN_TYPES.get(setting.value_type, "str")
    return f"<{shown}>"


def _with_parameters(
    command: Command, call: Callable[[dict[str, Any]], None], parameters: list[inspect.Parameter]
) -> Command:
    @wraps(command)
    def run(**values: Any) -> None:
        call(values)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__
    return run
