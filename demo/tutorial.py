"""The commands of docs/tutorial.md, one after the other, and the pictures that it shows.

    python -m demo.tutorial [FOLDER]

Works in demo_output/tutorial, goes on where it was stopped, and saves pictures in FOLDER
(docs/pictures).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from PIL import Image

from demo.places import OUTPUT

ROOT = Path(__file__).resolve().parent.parent
WORK = OUTPUT / "tutorial"
PAGE = ROOT / "docs" / "tutorial.md"
_WIDTHS_PX, _COLOURS, _MOST_BYTES = (1000, 850, 700), 128, 150_000
# Picture of the page: file of a run.
PICTURES = {
    "agreement": "agreement.png",
    "neutral": "neutral/neutral.png",
    "training": "analysis/training.png",
    "latents": "analysis/latents.png",
    "morph": "morph/displacements.png",
    "landscape": "landscape/landscape.png",
    "clusters": "landscape/clusters.png",
    "trajectories": "landscape/trajectories.png",
    "reliability": "landscape/reliability.png",
    "maps": "maps/maps.png",
    "maps_fsc": "maps/fsc.png",
    "validation": "validation/motion.png",
    "leakage": "validation/leakage.png",
}
# movie.png has five states below each other, each from two sides: state and side of what is shown.
_STATES_OF_MOVIE, _SHOWN = 5, ((0, 0), (2, 0), (4, 0), (4, 1))


def commands(page: str) -> list[str]:
    """The lines of all blocks that are marked as bash."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def main() -> int:
    """Run the commands and draw; exit code 0 if all finished."""
    WORK.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    data = str(files("MDAnalysisTests").joinpath("data"))
    for command in commands(PAGE.read_text(encoding="utf-8")):
        print(f"$ {command}", flush=True)
        environment = {**os.environ, "PATH": path, "DATA": data}
        done = subprocess.run(["bash", "-c", command], cwd=WORK, env=environment)
        if done.returncode != 0:
            return done.returncode
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    for name, source in PICTURES.items():
        _save(Image.open(WORK / source), folder / f"tutorial_{name}.png")
    _save(_side_by_side(Image.open(WORK / "movie/movie.png")), folder / "tutorial_movie.png")
    return 0


def _side_by_side(states: Image.Image) -> Image.Image:
    """Three states in a row, the last one from the right, too."""
    width, height = states.width // 2, states.height // _STATES_OF_MOVIE
    row = Image.new("RGB", (width * len(_SHOWN), height), "white")
    for place, (state, side) in enumerate(_SHOWN):
        left, top = side * width, state * height
        row.paste(states.crop((left, top, left + width, top + height)), (place * width, 0))
    return row


def _save(picture: Image.Image, path: Path) -> None:
    """Small enough for a repository: in few colours, and narrower where that is not enough."""
    for width in _WIDTHS_PX:
        small = picture.convert("RGB")
        small.thumbnail((width, 10 * width), Image.Resampling.LANCZOS)
        small.quantize(_COLOURS).save(path, optimize=True)
        if path.stat().st_size <= _MOST_BYTES:
            break
    print(path, flush=True)


if __name__ == "__main__":
    sys.exit(main())
