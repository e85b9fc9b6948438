"""What settings need to know of a kind of decoder; needs no torch."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from gmmflex.engine.settings.limits import PARAMETERS, Parameter
from gmmflex.engine.settings.options.option import contradiction

# Settings that stand beside the name of a decoder, not under `options`.
SHARED = ("smoothing_A", "anchors", "body_edge_A")


class DecoderOptions(BaseModel):
    """The settings of its own that a kind of decoder has: none, or the fields of a subclass.

    A field that is called smoothing_A, anchors or body_edge_A takes the value of the setting (and
    option) of that name; all others are given under `options` in `--config FILE.json`. Each needs a
    default: smoothing that nobody gave is known only when the resolution is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wanted(Protocol):
    """What a user wants of a decoder, `DecoderSettings`."""

    @property
    def vary(self) -> tuple[Parameter, ...]: ...
    @property
    def bodies(self) -> tuple[str, ...]: ...
    @property
    def body_edge_A(self) -> float: ...
    @property
    def options(self) -> dict[str, Any] | None: ...


class DecoderSpec:
    """A kind of decoder without its network.

    name: as people give it. options: its own settings. can_vary: of the parameters of a Gaussian
    those that it can change. moves_bodies: it moves the bodies of --body as wholes, in place of a
    region; of any other decoder bodies are watched.
    """

    name: ClassVar[str]
    options: ClassVar[type[DecoderOptions]] = DecoderOptions
    can_vary: ClassVar[tuple[Parameter, ...]] = PARAMETERS
    moves_bodies: ClassVar[bool] = False

    def check(self, wanted: Wanted) -> None:
        """ValueError, in one sentence, for settings that this kind cannot have."""
        if self.moves_bodies and not wanted.bodies:
            raise contradiction(
                f"a {self.name} decoder needs bodies: give at least one NAME=SELECTION as "
                "{bodies}",
                "bodies",
            )
        beyond = [name for name in wanted.vary if name not in self.can_vary]
        if beyond:
            raise contradiction(
                f"a {self.name} decoder changes {' and '.join(self.can_vary)} only: leave "
                f"{', '.join(beyond)} out of {{vary}}",
                "vary",
            )
        if wanted.bodies and "positions" not in wanted.vary:
            raise contradiction(
                "bodies are reported by how they move: let {vary} include positions", "vary"
            )
        if wanted.body_edge_A and not self.moves_bodies:
            raise contradiction(
                f"a soft edge is for rigid bodies: leave {{body_edge_A}} out for {self.name}",
                "body_edge_A",
            )
        self.options_of(wanted)

    def options_of(self, source: Any) -> DecoderOptions:
        """Its own settings, checked, from those of a decoder (or from its description).

        Raises:
            ValueError: one of them is unknown or out of range; one sentence.
        """
        fields = self.options.model_fields
        shared = {name: getattr(source, name, None) for name in SHARED if name in fields}
        given = {name: value for name, value in shared.items() if value is not None}
        own = source.options or {}
        for name in SHARED:
            if name in own:
                raise ValueError(f"options.{name}: give {name} beside options, not among them")
        try:
            return self.options(**{**given, **own})
        except ValidationError as fault:
            raise self._fault(fault) from fault

    def _fault(self, fault: ValidationError) -> ValueError:
        first = fault.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if name in SHARED:
            message = first["msg"].removeprefix("Value error, ").lower()
            return contradiction(
                f"{{{name}}} of a {self.name} decoder: {message.replace('{', '(')}", name
            )
        return ValueError(self._sentence(first))

    def _sentence(self, first: ErrorDetails) -> str:
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = [field for field in self.options.model_fields if field not in SHARED]
            has = f"it has {', '.join(known)}" if known else "it has none of its own"
            return f"options.{name}: a {self.name} decoder has no such option: {has}"
        message = first["msg"].removeprefix("Value error, ")
        return f"options.{name} = {first.get('input')!r} is not allowed: {message}"
