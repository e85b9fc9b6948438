"""The Triton kernels, as far as they can be checked without a GPU.

In a process of their own: Triton decides at import whether it compiles or interprets.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(option, tmp_path):
    program = Path(__file__).with_name("splat_cases.py")
    # The first variable only states what is the default in the versions where it is missed.
    extra = {"TRITON_DEFAULT_FP_FUSION": "1", "TRITON_CACHE_DIR": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-W", "error", program, option],
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_kernels_give_what_the_plain_functions_give(tmp_path):
    done = run("--interpret", tmp_path)
    assert (done.returncode, done.stdout) == (0, "the same\n"), done.stderr


@pytest.mark.slow
def test_kernels_compile_for_gpus(tmp_path):
    """The interpreter forgives what the compiler refuses."""
    done = run("--compile", tmp_path)
    assert (done.returncode, done.stdout) == (0, "compiled\n"), done.stderr
