"""report.html: one file with pictures, numbers and what to doubt, which loads nothing more."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gmmflex.engine.io.writing import replacing

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1d2430;max-width:62rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem;
border-bottom:1px solid #d5dae2}figure{margin:1rem 0}img{max-width:100%;height:auto;display:block}
figcaption{color:#4a5568;font-size:.92rem}.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.92rem;margin:.5rem 0}
th,td{text-align:left;padding:.25rem .9rem .25rem 0;border-bottom:1px solid #e3e7ee;
vertical-align:top}td.n{font-variant-numeric:tabular-nums}li{margin:.35rem 0}
.path{overflow-wrap:anywhere}
@media(max-width:600px){figure{overflow-x:auto}img{max-width:none;width:34rem}
.wide table{min-width:34rem}}
@media print{img{max-width:100%;max-height:8cm;width:auto}body{max-width:none;font-size:11pt}
figure,tr,li,.begin{break-inside:avoid}h2,thead{break-after:avoid}.wide{overflow:visible}}
"""


_LONG = 30
_NUMBER = re.compile(r"(?<=\d) (?=(%|Å|kT)(\W|$))")


@dataclass(frozen=True)
class Table:
    """A heading for each column, and rows of texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """Text, pictures (file, what it shows) and a table under one heading."""

    title: str
    text: str = ""
    pictures: tuple[tuple[Path, str], ...] = ()
    table: Table | None = None
    points: tuple[str, ...] = ()


def write_report(path: Path, title: str, subtitle: str, sections: Iterable[Section]) -> None:
    """Write the page with every picture inside it."""
    body = "\n".join(_section(section) for section in sections)
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>"
        f'<h1>{escape(title)}</h1><p class="path">{escape(subtitle)}</p>\n{body}\n</body></html>\n'
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def settings_table(values: Mapping[str, object]) -> Table:
    """Names and values of parameters."""
    rows = tuple((name, _shown(value)) for name, value in values.items())
    return Table(("parameter", "value"), rows)


def _shown(value: object) -> str:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _section(section: Section) -> str:
    # On paper a heading, its text and the first picture stay together.
    parts = [f'<section><div class="begin"><h2>{escape(section.title)}</h2>']
    if section.text:
        parts.append(f"<p>{_whole(section.text)}</p>")
    pictures = [_picture(*picture) for picture in section.pictures]
    parts += [*pictures[:1], "</div>"]
    if section.points:
        parts.append(f"<ul>{''.join(f'<li>{_whole(point)}</li>' for point in section.points)}</ul>")
    parts += pictures[1:]
    if section.table is not None and section.table.rows:
        parts.append(_table(section.table))
    return "\n".join([*parts, "</section>"])


def _picture(path: Path, caption: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    text = escape(caption, quote=True)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in table.rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>{rows}</table></div>'


def _whole(text: str) -> str:
    """HTML in which no line breaks between a number and its unit."""
    return escape(_NUMBER.sub("\u00a0", text))


def _cell(text: str) -> str:
    # Only paths may break anywhere: a number in a narrow column must not.
    kind = "path" if "/" in text and len(text) > _LONG else "n"
    return f'<td class="{kind}">{_whole(text)}</td>'
