"""What the engine's configuration says about regions, and the rounds in which they come in."""

from gmmflex.engine.settings.decoder_registry import decoder_spec

ALL_AT_ONCE, ONE_AFTER_ANOTHER = range(2)


class BadResolutions(Exception):
    """The resolutions of the rounds do not fit the regions; one sentence says why."""


def decoders(parts, place_of, anchors) -> list[dict]:
    """One decoder for each part; place_of: residues or mask file of a part."""
    return [_decoder(part, place_of(part), anchors) for part in parts]


def rounds(parts, order: int, resolutions: str | None) -> list[dict]:
    """One more region in each round; empty if all are there from the start.

    resolutions: as written into the form; empty for none. Raises BadResolutions.
    """
    if order == ALL_AT_ONCE:
        return []
    names = [part.name for part in parts]
    wanted_A = _numbers(resolutions, len(names))
    return [
        {
            "decoders": names[: number + 1],
            **({} if wanted_A is None else {"resolution_A": wanted_A[number]}),
        }
        for number in range(len(names))
    ]


def _decoder(part, place, anchors):
    where = {"region": place} if part.residues else {"mask": place}
    own = {"name": part.name, "kind": part.kind}
    kind = decoder_spec(part.kind)
    if kind.moves_bodies:
        return {**own, "bodies": [f"{part.name}={place}"]}
    if "anchors" in kind.options.model_fields:
        return {**own, **where, "anchors": list(anchors)}
    return {**own, **where}


def _numbers(text, count):
    words = (text or "").replace(",", " ").split()
    if not words:
        return None
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or min(values, default=0.0) <= 0:
        raise BadResolutions(
            f"'{text}' are not the resolutions of {count} rounds: give {count} numbers in Å, one "
            "for each region, or leave it empty."
        )
    return values
