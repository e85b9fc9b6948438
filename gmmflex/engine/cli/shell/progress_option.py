"""`--progress`, an option of every command that runs for a while."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Annotated, Any

import typer

from gmmflex.engine.machine.progress import tell_as


class Form(str, Enum):
    text = "text"
    json = "json"


_OPTION = inspect.Parameter(
    "progress",
    inspect.Parameter.KEYWORD_ONLY,
    default=Form.text,
    annotation=Annotated[
        Form, typer.Option(help="Lines for people, or one JSON object on each for programs.")
    ],
)


def with_progress(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the option `--progress`."""

    @wraps(command)
    def told(*, progress: Form, **values: Any) -> None:
        tell_as(progress.value)
        command(**values)

    signature = inspect.signature(command, eval_str=True)
    parameters = [
        given.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for given in signature.parameters.values()
    ]
    told.__signature__ = signature.replace(parameters=[*parameters, _OPTION])  # type: ignore[attr-defined]
    told.__annotations__ = {p.name: p.annotation for p in (*parameters, _OPTION)}
    del told.__wrapped__
    return told
