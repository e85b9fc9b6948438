"""The Gaussians of a validation as spheres for ChimeraX, coloured by their verdict."""

_COLOURS = {
    "moves": "#1f5fa8",
    "unsure": "#d9a441",
    "may be noise": "#999999",
    "not tested": "#999999",
}
_RADIUS_A = 1.2


def verdict_spheres(rows: list[dict[str, str]]) -> str:
    """ChimeraX's BILD text of the rows of gaussians.csv."""
    lines = []
    for verdict, colour in _COLOURS.items():
        chosen = [row for row in rows if row["verdict"] == verdict]
        if chosen:
            lines.append(f".comment {len(chosen)} Gaussians: {verdict}")
            parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
            lines.append(".color " + " ".join(f"{part:.3f}" for part in parts))
        lines += [f".sphere {row['x_A']} {row['y_A']} {row['z_A']} {_RADIUS_A:g}" for row in chosen]
    return "\n".join([*lines, ""])
