"""Pictures of the windows for the documentation, from the project that `make demo` left.

    python -m demo.screenshots [FOLDER]

Runs what the project lacks (landscape, maps, poses, models), opens it in Scipion's window on a
display that nobody sees, and saves pictures of the viewers in FOLDER (docs/pictures).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from demo.places import PROJECT, PROJECT_NAME, scipion_environment

ROOT = Path(__file__).resolve().parent.parent
# Windows are driven as the tests of the windows drive them.
sys.path.insert(0, str(ROOT / "tests"))

_COLOURS, _MOST_BYTES = (256, 128, 64), 150_000
_FEWEST_BYTES, _TRIES = 3000, 6
_ANALYSIS = "ProtGmmflexHeterogeneity"
_ALONG_TRAJECTORY = 2
# Of each protocol: name of the picture, title of the window, and what is told to open it.
VIEWERS: dict[str, list[tuple[str, str, list[str]]]] = {
    "ProtGmmflexNeutral": [
        ("neutral_fsc", "FSC of the neutral mixture", ["show showFsc"]),
    ],
    _ANALYSIS: [
        ("analysis", "GmmflexAnalysisViewer", []),
        ("all_axes", "all pairs of axes", ["show showOverview"]),
        ("arrows", "Motion as arrows", ["show showArrows"]),
        ("lengths", "How far Gaussians move", ["show showLengths"]),
        ("training", "Training curves", ["show showTraining"]),
        ("explorer_density", "Explore the latent space", ["show showExplorer"]),
        (
            "explorer",
            "Explore the latent space",
            ["colour Group", "pick 1500", "nearest 300", "play path_c1_c2", "pause", "at 5.5"],
        ),
    ],
    "ProtGmmflexLandscape": [
        ("landscape", "GmmflexLandscapeViewer", []),
        ("free_energy", "Free energy", ["show showEnergy"]),
        ("groups", "Groups of particles", ["show showClusters"]),
        ("trajectories", "Trajectories", ["show showTrajectories"]),
        ("reliability", "Reliability of particles", ["show showReliability"]),
    ],
    "ProtGmmflexReconstruct": [
        ("maps", "GmmflexReconstructViewer", []),
        ("maps_fsc", "FSC of the maps", ["show showFsc"]),
        ("maps_projections", "Projections of the maps", ["show showMaps"]),
        ("maps_table", "Table of maps", ["show showStates"]),
    ],
    "ProtGmmflexPoses": [
        ("poses", "GmmflexPosesViewer", []),
        ("poses_scores", "Held-out particles", ["show showScores"]),
    ],
    "ProtGmmflexMorph": [
        ("morph", "GmmflexMorphViewer", []),
        ("morph_chains", "Displacement along the chains", ["show showResidues"]),
        ("morph_table", "Displacement of all residues", ["show showTable"]),
    ],
    "ProtGmmflexMovie": [
        ("movie", "GmmflexMovieViewer", []),
        ("movie_states", "States of the movie", ["show showStates"]),
    ],
}


def main(folder: Path) -> int:
    """Make all pictures anew; exit code 0."""
    if not PROJECT.is_dir():
        print("screenshots: error: there is no project yet: run 'make demo' first", file=sys.stderr)
        return 2
    os.environ.update(scipion_environment())
    folder.mkdir(parents=True, exist_ok=True)
    numbers = finished_runs()
    from gui_window import project_window

    with (
        tempfile.TemporaryDirectory() as temporary,
        project_window(str(PROJECT), PROJECT_NAME, Path(temporary)) as window,
    ):

        def take(name: str, title: str, whole_screen: bool = False) -> None:
            path = folder / f"{name}.png"
            for _ in range(_TRIES):
                window.check(title, path, whole_screen)
                make_small(path)
                if path.stat().st_size > _FEWEST_BYTES:  # else it is not drawn yet
                    break
            print(f"  {path}  {path.stat().st_size / 1000:.0f} kB", flush=True)

        window.tell("tree Flexibility Hub", f"select {numbers[_ANALYSIS]}")
        time.sleep(3)
        take("project", PROJECT_NAME, whole_screen=True)
        without_title_bar(folder / "project.png")
        for class_name, shown in VIEWERS.items():
            window.tell(f"analyze {numbers[class_name]}")
            for name, title, lines in shown:
                window.tell(*lines)
                take(name, title)
    return 0


def finished_runs() -> dict[str, int]:
    """The id of a finished run of each protocol; those that the project lacks are made."""
    import pwem
    import pyworkflow
    from pyworkflow.project import Manager

    pyworkflow.Config.setDomain(pwem)
    domain = pyworkflow.Config.getDomain()
    domain.getPlugins()
    protocols = domain.getProtocols()
    project = Manager().loadProject(PROJECT_NAME)
    os.chdir(project.getPath())

    def of(class_name: str) -> Any:
        runs = [run for run in project.getRuns() if run.getClassName() == class_name]
        return next((run for run in runs if run.isFinished()), None)

    def made(class_name: str, **pointers: Any) -> Any:
        if of(class_name) is None:
            protocol = project.newProtocol(protocols[class_name], useGpu=False)
            protocol.inputAnalysis.set(of(_ANALYSIS))
            protocol.inputAnalysis.setExtended("outputParticles")
            for name, (source, output) in pointers.items():
                getattr(protocol, name).set(source)
                getattr(protocol, name).setExtended(output)
            if "landscape" in pointers:
                protocol.states.set(_ALONG_TRAJECTORY)
            print(f"  {protocol.getClassLabel()}", flush=True)
            project.launchProtocol(protocol, wait=True)
        return of(class_name)

    landscape = made("ProtGmmflexLandscape")
    made("ProtGmmflexReconstruct")
    made("ProtGmmflexPoses")
    model = of("ProtImportPdb")
    for class_name in ("ProtGmmflexMorph", "ProtGmmflexMovie"):
        made(class_name, landscape=(landscape, ""), inputModel=(model, "outputPdb"))
    return {class_name: of(class_name).getObjId() for class_name in VIEWERS}


def without_title_bar(path: Path, height_px: int = 18) -> None:
    """The title of the project's window names the computer and who sits at it."""
    from PIL import Image

    picture = Image.open(path)
    picture.crop((0, height_px, *picture.size)).save(path, optimize=True)


def make_small(path: Path) -> None:
    """The same picture with a palette: a fifth of the size, and sharp."""
    from PIL import Image

    picture = Image.open(path).convert("RGB")
    for colours in _COLOURS:
        few = picture.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size <= _MOST_BYTES:
            break


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "pictures").resolve()))
