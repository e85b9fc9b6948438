"""The project as a whole: what it installs, what imports what, what its files promise."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import gmmflex

ROOT = Path(__file__).resolve().parent.parent
TORCH_FREE = ("gmmflex", "gmmflex.engine.cli", "gmmflex.engine.io.particles.particles")


def imported_modules(statement: str) -> set[str]:
    """Top-level modules in memory after a statement, in a fresh Python."""
    code = (
        f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", TORCH_FREE)
def test_light_parts_need_neither_torch_nor_scipion(module: str) -> None:
    assert not imported_modules(f"import {module}") & {"torch", "pwem", "pyworkflow"}


def test_the_whole_engine_imports_without_scipion() -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "gmmflex" / "engine").rglob("*.py")
        if path.stem not in ("__init__", "__main__")
    )
    assert len(modules) > 20
    assert not imported_modules(f"import {', '.join(modules)}") & {"pwem", "pyworkflow"}


def test_the_installed_command_is_this_version() -> None:
    command = Path(sys.executable).with_name("gmmflex")
    done = subprocess.run([str(command), "--version"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert gmmflex.__version__ in done.stdout
    assert metadata.version("scipion-em-gmmflex") == gmmflex.__version__


def test_scipion_finds_the_plugin_and_changes_name_the_version() -> None:
    points = metadata.distribution("scipion-em-gmmflex").entry_points
    assert {(p.group, p.name, p.value) for p in points} >= {
        ("pyworkflow.plugin", "gmmflex", "gmmflex"),
        ("console_scripts", "gmmflex", "gmmflex.engine.cli:main"),
    }
    assert (ROOT / "CHANGES.txt").read_text().startswith(f"v{gmmflex.__version__}")


def test_plugins_data_files_are_packaged() -> None:
    for name in ("protocols.conf", "icon.png"):
        assert (ROOT / "gmmflex" / name).is_file()


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-engine.txt"])
def test_constraints_are_exact(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    assert "torch==2.13.0" in lines
    pattern = re.compile(r'[a-z0-9-]+==[0-9][^;+ ]*(; python_version == "3\.1[012]")?')
    assert [line for line in lines if not pattern.fullmatch(line)] == []


def python_files() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def test_files_stay_small() -> None:
    long = {p.name: n for p in python_files() if (n := len(p.read_text().splitlines())) > 400}
    assert long == {}


@pytest.mark.slow
def test_nothing_is_unpickled_or_evaluated() -> None:
    """No pickle, eval or exec; numpy files are read with allow_pickle=False."""
    found = []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                if names & {"dill", "shelve", "marshal"}:
                    found.append(f"{path.name}:{node.lineno} imports {names}")
            if not isinstance(node, ast.Call):
                continue
            text = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            in_package = "gmmflex" in path.relative_to(ROOT).parts[:1]
            if text in ("eval", "exec") or text.startswith("pickle."):
                found.append(f"{path.name}:{node.lineno} calls {text}")
            if in_package and text == "np.load" and keywords.get("allow_pickle") != "False":
                found.append(f"{path.name}:{node.lineno} np.load without allow_pickle=False")
            if text == "torch.load" and keywords.get("weights_only") != "True":
                found.append(f"{path.name}:{node.lineno} torch.load without weights_only=True")
    assert found == []


# In one process, which imports torch once; the tests themselves are imported again.
COLLECT_TWICE = """
import os, sys, pytest
words = ["--collect-only", "-q", "-p", "no:cacheprovider"]
alone = pytest.main(words)
print("BESIDE THE DATA")
for name, module in list(sys.modules.items()):
    if (getattr(module, "__file__", None) or "").startswith(os.path.abspath("tests")):
        del sys.modules[name]
os.environ["GMMFLEX_TEST_DATA"] = sys.argv[1]
sys.exit(alone or pytest.main(words))
"""


def collected(folder: Path, data: Path) -> tuple[set[str], set[str], str]:
    """Tests that pytest finds in a copy of this project, without the variable and with it, and the
    last thing that it says without."""
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "GMMFLEX_TEST_DATA")}
    done = subprocess.run(
        [sys.executable, "-c", COLLECT_TWICE, str(data)],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    alone, beside = (part.splitlines() for part in done.stdout.split("BESIDE THE DATA"))
    tests = [{line for line in lines if "::" in line} for lines in (alone, beside)]
    return tests[0], tests[1], "\n".join(alone[-5:])


def names_outside_data(path: Path) -> bool:
    text = path.read_text()
    return any(name in text for name in ("GMMFLEX_TEST_DATA", "test_data", "../shared"))


@pytest.mark.slow
def test_a_clone_needs_nothing_beside_it(tmp_path: Path) -> None:
    """Without the variable, no test is there that could reach the folder it names."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    clone, data = tmp_path / "clone", tmp_path / "data"
    data.mkdir()
    for name in names:
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, clone / name)
    alone, beside, said = collected(clone, data)
    left_out = beside - alone
    assert alone < beside
    assert f"{len(left_out)} tests of outside data left out: GMMFLEX_TEST_DATA" in said
    assert {test for test in beside if "test_data_conformance" in test} <= left_out
    # nothing else of the tests knows a way there
    knowing = {path.name for path in (ROOT / "tests").glob("*.py") if names_outside_data(path)}
    assert knowing <= {
        "conftest.py",
        "test_repository.py",
        *(test.split("::")[0].rpartition("/")[2] for test in left_out),
    }


def test_readme_names_the_two_commands_and_the_papers() -> None:
    text = (ROOT / "README.md").read_text()
    for needed in ("make demo", "make test", "Nature Methods", "GPL"):
        assert needed in text
