"""A ChimeraX script that goes through maps, and models with them, by one slider."""

from __future__ import annotations

from collections.abc import Sequence


def slider_script(maps: Sequence[str], models: Sequence[str], level: float) -> str:
    """Commands for ChimeraX; files are named relative to the script.

    models: one for each map, or none. Each state becomes one model, #1 to #m, of which the slider
    shows one.
    """
    lines = ["set bgColor white", "lighting soft"]
    for k, name in enumerate(maps, start=1):
        lines.append(f'open "{name}"')
        if models:
            lines.append(f'open "{models[k - 1]}"')
            lines.append(f"rename #{k}-{k + 1} id #{k}")
    count = len(maps)
    volumes = f"#1-{count}.1" if models else f"#1-{count}"
    lines.append(f"volume {volumes} style surface step 1 level {level:.6g} color #9fb8d0")
    if models:
        lines += [
            f"transparency {volumes} 60 target s",
            f"hide #1-{count}.2 atoms",
            f"show #1-{count}.2 cartoons",
            f"color #1-{count}.2 #1f5fa8 target c",
        ]
    return "\n".join([*lines, "view", f"mseries slider #1-{count}", ""])
