"""The kinds of decoders with their networks, as `settings/decoder_registry.py` lists them."""

from __future__ import annotations

from gmmflex.engine.nets.decoders.base import DecoderKind
from gmmflex.engine.settings.decoder_registry import BrokenDecoder, decoder_spec


def decoder_kind(name: str) -> DecoderKind:
    """The kind of that name.

    Raises:
        UnknownDecoder (a ValueError): there is none, or it cannot be loaded.
    """
    kind = decoder_spec(name)
    if not isinstance(kind, DecoderKind):
        raise BrokenDecoder(
            name,
            f"the decoder {name} has no network: derive it from DecoderKind of "
            "gmmflex.engine.nets.decoders.base",
        )
    return kind
