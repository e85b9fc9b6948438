"""Packaging of the Scipion plugin and of its engine.

One distribution, two halves, and three ways to install it:

* ``scipion installp -p scipion-em-gmmflex``: pyworkflow and pwem are already in that
  environment, at the versions that Scipion itself chose;
* ``pip install scipion-em-gmmflex[engine]``: the engine alone, for a cluster node or for the
  separate environment that the plugin can make; no Scipion, numpy 2 is welcome;
* ``pip install -c constraints.txt scipion-em-gmmflex[engine,scipion,test]``: everything.

This is why Scipion's packages are an extra and not a base requirement: as a base requirement
they would pull numpy 1.26 and Qt into every engine environment.  The base requirements are
what both halves use and what needs no torch (reading files, ``gmmflex info``,
``gmmflex simulate``).  Ranges stay open here; the exact set that was tested together stands in
``constraints.txt`` (beside Scipion) and ``constraints-engine.txt`` (without it).
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

BASE = [
    "numpy>=1.24",
    "scipy>=1.9",
    "matplotlib>=3.7",
    "mrcfile>=1.4",
    "gemmi>=0.6.5",
    "pillow>=9.1",
    "pydantic>=2.5",
    "typer>=0.12",
    "tqdm>=4.65",  # progress bars of notebooks
]

EXTRAS = {
    # Neural networks and what the latent space needs.
    "engine": [
        "torch>=2.4",  # Adam in one pass on the processor, too
        "numba>=0.60",  # compiles the projection for the processor
        "roma>=1.4",
        "safetensors>=0.4",
        "scikit-learn>=1.3",
    ],
    # The graphical half. `scipion installp` finds these two already in place.
    "scipion": ["scipion-pyworkflow>=3.9", "scipion-em>=3.9"],
    # Molecular dynamics trajectories as states of `gmmflex simulate`.
    "trajectory": ["MDAnalysis>=2.4"],
    # MP4 beside GIF from `gmmflex movie`: brings an ffmpeg.
    "movie": ["imageio-ffmpeg>=0.4.9"],
    # A second way to draw latents of many dimensions in `gmmflex landscape`.
    "umap": ["umap-learn>=0.5.6"],
    # Coverage-guided fuzzing of the readers (fuzz/).
    "fuzz": ["atheris>=2.3; platform_system == 'Linux'"],
    # Test runner, linters and the outside programs that the tests compare with.
    "test": [
        "pytest>=8",
        "pytest-xdist>=3.5",
        "hypothesis>=6",
        "coverage>=7.10",
        "ruff>=0.5",
        "mypy>=1.8",
        "import-linter>=2.1",
        "torch-ctf>=0.0.6",
        "finufft>=2.2",
        "MDAnalysis>=2.4",
        "MDAnalysisTests>=2.4",
        "imageio-ffmpeg>=0.4.9",
        "umap-learn>=0.5.6",
        # The notebooks of docs/notebooks.
        "nbclient>=0.10",
        "ipykernel>=6.29",
        # Runs and compiles the GPU kernels without a GPU; the version of torch 2.13's CUDA build.
        "triton==3.7.1; platform_system == 'Linux'",
    ],
    # Other Scipion plugins whose converters and protocols the tests exchange objects with.
    "scipion-test": [
        "scipion-app>=3.7",
        "scipion-em-relion>=5.0",
        "scipion-em-flexutils>=3.4",
        # flexutils imports this package (no binaries are needed); it wants a scipy older than
        # the one that scipion-em needs on Python 3.12
        "scipion-em-xmipp>=24; python_version < '3.12'",
    ],
}


def version() -> str:
    """The version literal of the package, read without importing it."""
    text = (HERE / "gmmflex" / "version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, flags=re.MULTILINE)
    if found is None:
        raise RuntimeError('gmmflex/version.py holds no line __version__ = "…"')
    return found.group(1)


setup(
    name="scipion-em-gmmflex",
    version=version(),
    description="Flexibility of macromolecules from cryo-EM particles with Gaussian mixture models",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="GPL-3.0-or-later",
    keywords="scipion cryoem image-processing heterogeneity flexibility gaussian-mixture",
    classifiers=[
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["gmmflex", "gmmflex.*"]),
    package_data={"gmmflex": ["protocols.conf", "*.png", "templates/*"]},
    install_requires=BASE,
    extras_require=EXTRAS,
    entry_points={
        "pyworkflow.plugin": "gmmflex = gmmflex",
        "console_scripts": "gmmflex = gmmflex.engine.cli:main",
    },
)
