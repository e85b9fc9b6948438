"""Progress for people and for programs: the same lines, as text and as JSON objects."""

import json
import sys
from datetime import datetime, timezone

import pytest
from sliding_domain import simulated

from gmmflex.engine import cli
from gmmflex.engine.machine.progress import Event, Stopwatch, as_json, tell_as, within


@pytest.fixture(autouse=True)
def _text_again():
    yield
    tell_as("text")


def _lines(monkeypatch, capsys, *arguments, exit_code=0):
    monkeypatch.setattr(sys, "argv", ["gmmflex", *map(str, arguments), "--progress", "json"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code or 0) == exit_code
    said = capsys.readouterr()
    return [json.loads(line) for line in said.out.splitlines()], said.err


def test_every_line_of_a_run_is_an_object(tmp_path, monkeypatch, capsys):
    began = datetime.now(timezone.utc)
    folder = simulated(tmp_path, 20.0, 150, seed=1)
    capsys.readouterr()
    arguments = ["heterogeneity", folder / "set" / "particles.star", "--epochs", 2]
    arguments += ["--neutral", folder / "mixture.cif", "--output", folder / "run"]
    arguments += ["--latent-dim", 1, "--resolution", 12, "--device", "cpu", "--threads", 1]
    lines, _ = _lines(monkeypatch, capsys, *arguments)
    times = [datetime.fromisoformat(line["time"]) for line in lines]
    # JSON has milliseconds, Python's clock microseconds.
    assert times == sorted(times) and (times[0] - began).total_seconds() > -0.001
    assert {line["kind"] for line in lines} == {"message", "progress", "end"}
    assert all(line["text"] for line in lines[:-1])
    assert (lines[-1]["kind"], lines[-1]["exit_code"]) == ("end", 0)

    progress = [line for line in lines if line["kind"] == "progress"]
    assert {line["task"] for line in progress} > {"reading particles", "encoder input", "epoch"}
    for line in progress:
        assert 0 < line["done"] <= line["total"]
        assert line["remaining_s"] >= 0 and line["elapsed_s"] >= 0
        assert (line["remaining_s"] == 0) == (line["done"] == line["total"])
    epochs = [line for line in progress if line["task"] == "epoch"]
    assert [(line["done"], line["total"], line["round"]) for line in epochs] == [
        (1, 2, 1),
        (2, 2, 1),
    ]
    written = (folder / "run" / "metrics.csv").read_text().splitlines()
    columns = written[0].split(",")
    for line, row in zip(epochs, written[2:], strict=True):
        stored = dict(zip(columns, row.split(","), strict=True))
        for name in ("train_loss", "test_loss", "learning_rate"):
            assert line[name] == pytest.approx(float(stored[name]), rel=1e-9)
        assert line["text"].startswith(f"epoch {line['done']}/2  train ")

    # The same command has nothing left to do, and says that in an object too.
    again, _ = _lines(monkeypatch, capsys, *arguments)
    assert "finished already" in again[0]["text"] and len(again) == 2


def test_the_last_object_says_why_it_ended(tmp_path, monkeypatch, capsys):
    arguments = ["neutral", "--map", tmp_path / "no.mrc", "--output", tmp_path / "out"]
    (line,), errors = _lines(monkeypatch, capsys, *arguments, exit_code=2)
    assert (line["kind"], line["exit_code"]) == ("end", 2) and "no.mrc" in line["text"]
    assert errors == f"gmmflex: error: {line['text']}\n"


def test_a_line_is_its_text_and_what_it_says():
    event = Stopwatch(earlier_s=3600.0).event("steps", 1, 3, loss=0.25)
    assert event == "steps 1/3  elapsed 1:00:00  remaining 2:00:00"
    told = json.loads(as_json(within("second half", event)))
    assert told.pop("text") == f"second half: {event}"
    assert told.pop("remaining_s") == pytest.approx(7200.0, abs=1.0)
    assert told["task"] == "second half: steps" and told["loss"] == 0.25


def test_what_json_has_no_number_for_is_null():
    told = json.loads(as_json(Event("epoch", "progress", loss=float("nan"))))
    assert told["loss"] is None


@pytest.mark.parametrize(
    ("text", "kind", "rest"),
    [
        ("warning: look at µ\n", "warning", "look at µ\n"),
        ('a "quoted" line', "message", 'a "quoted" line'),
    ],
)
def test_remarks_and_warnings(text, kind, rest):
    line = as_json(text)
    assert "\n" not in line
    assert json.loads(line)["kind"] == kind and json.loads(line)["text"] == rest
