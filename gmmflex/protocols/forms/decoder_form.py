"""Which decoder moves the Gaussians, where packages bring others than the built-in ones."""

from pyworkflow.protocol import LEVEL_ADVANCED
from pyworkflow.protocol.params import StringParam

from gmmflex.engine.settings.decoder_registry import BUILT_IN, decoder_names

USUAL = "free"


def other_names() -> list[str]:
    """Decoders that other packages in this environment bring; nothing of them is loaded."""
    return [name for name in decoder_names() if name not in BUILT_IN]


def other_decoders() -> str:
    """The end of a sentence that lists the built-in ones; empty if there are no others."""
    names = other_names()
    return (
        f"; other packages here bring {', '.join(f'*{name}*' for name in names)}" if names else ""
    )


def define_decoder(form):
    """The name of the decoder; the built-in ones besides `free` have protocols of their own."""
    form.addParam(
        "decoder",
        StringParam,
        default=USUAL,
        expertLevel=LEVEL_ADVANCED,
        label="Decoder",
        help="How Gaussians move with the latents. *free*: each by itself, neighbours alike"
        f"{other_decoders()}. A package that brings a decoder is installed where the engine is.",
    )


def decoder_faults(name) -> list[str]:
    """Whether there is such a decoder for this form; name: as written, or None."""
    chosen, possible = (name or USUAL).strip(), [USUAL, *other_names()]
    if chosen in possible:
        return []
    if chosen in BUILT_IN:
        return [
            f"The decoder '{chosen}' has a protocol of its own: use 'hierarchical analysis' or "
            f"'rigid-body analysis', or write {USUAL}."
        ]
    return [
        f"There is no decoder '{chosen}' in this environment: write {' or '.join(possible)}, or "
        "install the package that brings it."
    ]
