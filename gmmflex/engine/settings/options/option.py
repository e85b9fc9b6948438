"""How people give a setting, where that does not follow from its name; and what contradicts."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Option:
    """Stands in the `Annotated[...]` of a setting; everything is optional.

    name: of the option on the command line, else the setting's own without its unit.
    argument: given by its place, without the name of an option.
    empty: what the default None stands for: a number, or as people read it ("the mixture's").
    one_text: several values are written as one text, with commas; else the option is repeated.
    advice: what a form says at length in place of the description.
    """

    name: str | None = None
    argument: bool = False
    empty: str | int | None = None
    one_text: bool = False
    advice: str | None = None


# A setting that is given in `--config FILE.json` only.
CONFIG_ONLY = Option(name="")


def contradiction(template: str, *settings: str) -> PydanticCustomError:
    """The fault of settings that do not go together.

    template: a sentence with the names of the settings in braces, so that each can be named as
    the person gave it.
    """
    names = {name: name for name in settings}
    return PydanticCustomError("contradiction", template, {**names, "template": template})
