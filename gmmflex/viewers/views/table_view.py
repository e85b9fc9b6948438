"""A small window with a table."""

import tkinter as tk
from tkinter import ttk

from pyworkflow.viewer import View

ROW_HEIGHT_PX = 24
FEWEST_ROWS_SHOWN, MOST_ROWS_SHOWN = 4, 22


class TableView(View):
    """Rows of text; the first column is as wide as `first_px`, the others as `other_px`."""

    def __init__(
        self,
        title: str,
        headings: list[str],
        rows: list[tuple[str, ...]],
        tk_root=None,
        first_px: int = 300,
        other_px: int = 380,
    ):
        self._title = title
        self._headings = headings
        self._rows = rows
        self._root = tk_root
        self._widths_px = [first_px] + [other_px] * (len(headings) - 1)

    def show(self):
        window = tk.Toplevel(self._root)
        window.title(self._title)
        style = ttk.Style(window)
        style.configure("Gmmflex.Treeview", rowheight=ROW_HEIGHT_PX)
        columns = [f"column{number}" for number in range(1, len(self._headings))]
        table = ttk.Treeview(
            window,
            columns=columns,
            height=min(max(len(self._rows), FEWEST_ROWS_SHOWN), MOST_ROWS_SHOWN),
            style="Gmmflex.Treeview",
        )
        for column, heading, width in zip(
            ("#0", *columns), self._headings, self._widths_px, strict=True
        ):
            table.heading(column, text=heading, anchor="w")
            table.column(column, width=width)
        table.tag_configure("even", background="#f2f5f8")
        for number, (label, *values) in enumerate(self._rows):
            tags = ("even",) if number % 2 == 0 else ()
            table.insert("", "end", text=label, values=values, tags=tags)
        bar = ttk.Scrollbar(window, orient="vertical", command=table.yview)
        table.configure(yscrollcommand=bar.set)
        table.pack(side="left", fill="both", expand=True, padx=(10, 0), pady=10)
        bar.pack(side="right", fill="y", padx=(0, 10), pady=10)
