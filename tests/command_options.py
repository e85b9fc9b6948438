"""Options, defaults and bounds of every command, as a person meets them: names are a contract.

`python tests/command_options.py` writes them to command_options.json beside this file. The list
that is kept was made before options were derived from settings (commit 30346cc); --objective and
--list-decoders came since.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import typer
from typer.testing import CliRunner

from gmmflex.engine import cli

KEPT = Path(__file__).with_name("command_options.json")

# What a command cannot do without, and the function that receives its settings.
NEEDED: dict[str, tuple[list[str], str]] = {
    "neutral": (["--output", "o"], "neutral.stage.run_neutral"),
    "heterogeneity": (
        ["p.star", "--neutral", "n", "--output", "o"],
        "heterogeneity.stage.run_heterogeneity",
    ),
    "morph": (["r", "--model", "m.cif", "--output", "o"], "morph.stage.run_morph"),
    "movie": (["r", "--output", "o"], "movie.stage.run_movie"),
    "reconstruct": (["r", "--output", "o"], "reconstruct.stage.run_reconstruct"),
    "poses": (["r", "--output", "o"], "poses.stage.run_poses"),
    "landscape": (["r", "--output", "o"], "landscape.stage.run_landscape"),
    "validate": (["r", "--output", "o"], "validate.stage.run_validate"),
    "select": (["r", "--output", "o.star"], "select.stage.run_select"),
    "simulate": (["--states", "s.cif", "--output", "o"], "simulate.stage.simulate"),
}


def commands() -> dict[str, Any]:
    """The commands of `gmmflex` by their names."""
    group: Any = typer.main.get_command(cli.app)
    context = group.make_context("gmmflex", ["info"], resilient_parsing=True)
    return {name: group.get_command(context, name) for name in group.list_commands(context)}


def options_of(command: Any) -> dict[str, dict[str, Any]]:
    """Of each option or argument: its other names, whether it is needed, may be given twice."""
    return {
        parameter.opts[0]: {
            "others": [*parameter.opts[1:], *parameter.secondary_opts],
            "required": parameter.required,
            "repeatable": parameter.multiple if parameter.param_type_name == "option" else False,
            "flag": bool(getattr(parameter, "is_flag", False)),
            "argument": parameter.param_type_name == "argument",
        }
        for parameter in command.params
    }


def settings_from(name: str, *more: str) -> Any:
    """The settings that `gmmflex NAME` hands to its stage, with nothing but what it needs."""
    needed, target = NEEDED[name]
    module, function = target.rsplit(".", 1)
    stage = importlib.import_module(f"gmmflex.engine.stages.{module}")
    with mock.patch.object(stage, function) as runs:
        result = CliRunner().invoke(cli.app, [name, *needed, *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return runs.call_args.args[0]


def bounds_of(settings: Any) -> dict[str, dict[str, float]]:
    """ge, gt, le, lt of each number among the settings."""
    found = {
        name: {
            sign: getattr(mark, sign)
            for mark in field.metadata
            for sign in ("ge", "gt", "le", "lt")
            if getattr(mark, sign, None) is not None
        }
        for name, field in type(settings).model_fields.items()
    }
    return {name: signs for name, signs in found.items() if signs}


def listed() -> dict[str, Any]:
    """Options of every command; the settings that follow where none is given; their bounds."""
    settings = {name: settings_from(name) for name in NEEDED}
    return {
        "options": {name: options_of(command) for name, command in commands().items()},
        "defaults": {name: given.model_dump(mode="json") for name, given in settings.items()},
        "bounds": {name: bounds_of(given) for name, given in settings.items()},
    }


if __name__ == "__main__":
    KEPT.write_text(json.dumps(listed(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{KEPT.name}: {sum(map(len, listed()['options'].values()))} options", file=sys.stderr)
