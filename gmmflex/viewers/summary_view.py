"""What a run says about itself, as a table in a small window."""

import tkinter as tk
from tkinter import ttk

from pyworkflow.viewer import View

ROW_HEIGHT_PX = 24
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


class SummaryView(View):
    """A window with one row per figure."""

    def __init__(self, title: str, summary: dict, tk_root=None):
        self._title = title
        self._rows = summary_rows(summary)
        self._root = tk_root

    def show(self):
        window = tk.Toplevel(self._root)
        window.title(self._title)
        style = ttk.Style(window)
        style.configure("Gmmflex.Treeview", rowheight=ROW_HEIGHT_PX)
        table = ttk.Treeview(
            window,
            columns=("value",),
            height=min(len(self._rows), 22),
            style="Gmmflex.Treeview",
        )
        table.heading("#0", text="Quantity", anchor="w")
        table.heading("value", text="Value", anchor="w")
        table.column("#0", width=300)
        table.column("value", width=380)
        table.tag_configure("even", background="#f2f5f8")
        for number, (label, value) in enumerate(self._rows):
            tags = ("even",) if number % 2 == 0 else ()
            table.insert("", "end", text=label, values=(value,), tags=tags)
        bar = ttk.Scrollbar(window, orient="vertical", command=table.yview)
        table.configure(yscrollcommand=bar.set)
        table.pack(side="left", fill="both", expand=True, padx=(10, 0), pady=10)
        bar.pack(side="right", fill="y", padx=(0, 10), pady=10)


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
