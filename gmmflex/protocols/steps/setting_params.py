"""Parameters of forms from the engine's settings: default, bounds and help stand there only.

`form.addParam("epochs", IntParam, label="Epochs", **number(HeterogeneitySettings, "epochs"))`
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pyworkflow.protocol.params import Param, Validator

from gmmflex.engine.settings.options.setting import Setting, setting_of


class OfSetting(Validator):
    """Stays with a parameter, and says which setting of a command it gives."""

    def __init__(self, setting: Setting):
        self.setting = setting

    def __call__(self, value: Any) -> list[str]:
        return []


class Within(OfSetting):
    """Says what to give where a number is out of a setting's bounds; Scipion names the label."""

    def __init__(self, setting: Setting, automatic: bool):
        """automatic: whether 0 leaves the number to the engine."""
        super().__init__(setting)
        self.automatic = automatic

    def __call__(self, value: float | None) -> list[str]:
        if value is not None and (value in self.setting.bounds or (self.automatic and value == 0)):
            return []
        wanted = self.setting.bounds.words(self.setting.unit)
        otherwise = ", or 0 for automatic" if self.automatic else ""
        given = "is empty" if value is None else f"is {value:g}"
        return [f"{given}: give {wanted}{otherwise}."]


def number(kind: type[BaseModel], name: str) -> dict[str, Any]:
    """Of a number: as the command has it; 0 is automatic where the command has no number."""
    setting = setting_of(kind, name)
    usual = setting.usual
    return {
        "default": 0 if usual is None else usual,
        "help": setting.advice + ("" if usual is not None else _without(setting)),
        "validators": [Within(setting, automatic=usual is None)],
    }


def automatic_number(kind: type[BaseModel], name: str) -> dict[str, Any]:
    """Of a number that the command has, behind a 0 in the form."""
    setting = setting_of(kind, name)
    return {
        "default": 0,
        "help": f"{setting.advice} 0: {setting.usual}.",
        "validators": [Within(setting, automatic=True)],
    }


def plain(kind: type[BaseModel], name: str) -> dict[str, Any]:
    """Of a text, or of yes and no: default and help."""
    setting = setting_of(kind, name)
    value = setting.default
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else value
    return {"default": text, "help": setting.advice, "validators": [OfSetting(setting)]}


def choice(kind: type[BaseModel], name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Of a word out of several; labels: what the form shows for each."""
    setting = setting_of(kind, name)
    return {
        "choices": list(labels.values()),
        "default": list(labels).index(setting.default),
        "help": setting.advice,
        "validators": [OfSetting(setting)],
    }


def file(kind: type[BaseModel], name: str) -> dict[str, Any]:
    """Of a pointer to what becomes a file of the command."""
    setting = setting_of(kind, name)
    return {"help": setting.advice, "validators": [OfSetting(setting)]}


def within(kind: type[BaseModel], name: str) -> list[Within]:
    """The bounds alone, for a number that only the form has a default for."""
    return [Within(setting_of(kind, name), automatic=False)]


def with_labels(sentence: str, params: Iterable[Param]) -> str:
    """What the engine says of its options, in the words of the form."""
    for param in params:
        for mark in getattr(param, "validators", ()):
            if isinstance(mark, OfSetting) and mark.setting.option.startswith("--"):
                label = param.label.get().partition(" (")[0]
                option = re.escape(mark.setting.option)
                sentence = re.sub(rf"{option}(?![\w-])", f"'{label}'", sentence)
    return sentence


def _without(setting: Setting) -> str:
    return f" 0: {setting.marks.empty}." if setting.marks.empty else ""
