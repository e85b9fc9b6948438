"""The summary of a run, as a table in a small window."""

import os

from gmmflex.constants import SUMMARY_FILE
from gmmflex.viewers.views.run_files import read_json_file
from gmmflex.viewers.views.table_view import TableView

UNITS = {"_A": " (Å)", "_px": " (px)", "_kv": " (kV)", "_deg": " (°)", "_A2": " (Å²)"}


def summary_rows(summary: dict) -> list[tuple[str, str]]:
    """Label and value of everything in a summary.json that fits into one line."""
    rows = []
    for name, value in summary.items():
        if isinstance(value, dict):
            rows += [(f"{_label(name)}: {key}", text) for key, text in summary_rows(value)]
        elif not isinstance(value, list) or all(isinstance(v, int | float | str) for v in value):
            rows.append((_label(name), _text(value)))
    return rows


class SummaryView(TableView):
    """A window with one row per figure."""

    def __init__(self, title: str, summary: dict, tk_root=None):
        super().__init__(title, ["Quantity", "Value"], summary_rows(summary), tk_root)


def summary_view(run_folder: str, title: str, tk_root=None) -> SummaryView:
    """The summary of a finished run."""
    return SummaryView(title, read_json_file(os.path.join(run_folder, SUMMARY_FILE)), tk_root)


def _label(name: str) -> str:
    unit = next((ending for ending in UNITS if name.endswith(ending)), "")
    words = name[: len(name) - len(unit)].replace("_", " ").strip()
    words = words.replace("fsc", "FSC").replace("rmsd", "RMSD")
    return words[:1].upper() + words[1:] + UNITS.get(unit, "")


def _text(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return "–" if value is None else str(value)
