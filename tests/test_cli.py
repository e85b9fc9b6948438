"""The command line as a user meets it: help, versions, refusals, exit codes."""

import subprocess
import sys

import pytest

import gmmflex
from gmmflex.engine import cli
from gmmflex.engine.io.errors import UserError


def _gmmflex(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "gmmflex.engine.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_help_lists_the_commands():
    result = _gmmflex("--help")
    assert result.returncode == 0 and result.stderr == ""
    for command in ("simulate", "neutral", "heterogeneity", "info"):
        assert command in result.stdout


def test_help_of_a_command_names_its_options():
    result = _gmmflex("neutral", "--help")
    assert result.returncode == 0
    for option in ("--map", "--model", "--mask", "--resolution", "--gaussians", "--from"):
        assert option in result.stdout
    for option in ("--seed", "--device", "--threads", "--output", "--overwrite"):
        assert option in result.stdout


def test_version():
    result = _gmmflex("--version")
    assert result.returncode == 0
    assert result.stdout.strip() == f"gmmflex {gmmflex.__version__}"


def test_help_imports_nothing_slow():
    """Nor does `import gmmflex`, which Scipion does in its own environment."""
    code = (
        "import sys, gmmflex.engine.cli as cli\n"
        "sys.argv = ['gmmflex', '--help']\n"
        "try:\n    cli.main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "slow = {'torch', 'pydantic', 'scipy', 'sklearn', 'matplotlib', 'MDAnalysis', 'gemmi',\n"
        "        'pyworkflow'}\n"
        "print('imported:', sorted(slow & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "imported: []" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["neutral", "--no-such-option", "1"],
        ["no-such-command"],
        ["neutral", "--map", "map.mrc"],
        ["neutral", "--output", "out", "--resolution", "eight"],
        ["neutral", "--output", "out", "--from", "hydrogens"],
    ],
)
def test_usage_errors_exit_with_2(arguments):
    result = _gmmflex(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr and result.stderr.strip()


def _run_in_process(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["gmmflex", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, capsys.readouterr()


@pytest.mark.parametrize(
    "options, said",
    [
        (["--map", "missing.mrc"], "missing.mrc"),
        ([], "--map, --model or both"),
        (["--map", "missing.mrc", "--resolution", "0.5"], "0.5"),
        (["--map", "missing.mrc", "--gaussians", "0"], "gaussians"),
        (["--map", "missing.mrc", "--device", "abacus"], "abacus"),
        (["--map", "missing.mrc", "--threads", "-1"], "threads"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(options, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, text = _run_in_process(monkeypatch, capsys, "neutral", "--output", "out", *options)
    assert code == 2 and text.out == ""
    assert text.err.startswith("gmmflex: error: ") and text.err.count("\n") == 1
    assert said in text.err
    assert list(tmp_path.iterdir()) == []


def test_a_message_of_several_lines_becomes_one(monkeypatch, capsys):
    def refuse(*_, **__):
        raise UserError("first\n   second")

    monkeypatch.setattr(cli, "app", refuse)
    code, text = _run_in_process(monkeypatch, capsys)
    assert code == 2
    assert text.err == "gmmflex: error: first second\n"


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main()
