"""The tests that travel with the plugin, as `scipion tests` starts them."""

from __future__ import annotations

import os
import subprocess
import sys

from scipion_session import environment


def test_scipion_tests_of_the_plugin(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "gmmflex.tests.test_protocols_gmmflex"],
        env={**os.environ, **environment(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "OK" in done.stderr.splitlines()[-1]
