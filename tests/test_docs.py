"""README and docs: what they name exists, and every room of the engine has its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from gmmflex.engine.cli import app

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
# A Python file may be named from the repository, the package or the engine.
PLACES = (ROOT, ROOT / "gmmflex", ROOT / "gmmflex" / "engine")
ENGINE = ROOT / "gmmflex" / "engine"
LARGEST_PICTURE_BYTES = 200_000


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def links(text: str) -> list[str]:
    """Targets of links and pictures outside code, but not of the web or within the page."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [t.partition("#")[0] for t in targets if not t.startswith(("http://", "https://", "#"))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_pictures_exist(page: Path) -> None:
    assert [t for t in links(page.read_text()) if not (page.parent / t).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_the_repository_exist(page: Path) -> None:
    text = page.read_text()
    scripts = re.findall(r"[\w./-]+\.(?:py|sh)\b", text)
    pages = re.findall(r"\bdocs/[\w./-]+\.(?:md|png)\b", text)
    modules = [m.replace(".", "/") for m in re.findall(r"python -m ([a-z_0-9.]+\w)", text)]
    missing = [n for n in scripts if not any((place / n).is_file() for place in PLACES)]
    missing += [n for n in pages if not (ROOT / n).is_file()]
    missing += [n for n in modules if not is_module(n)]
    missing += [n for n in re.findall(r"\bgmmflex\.engine\.[\w.]*\w", text) if not is_ours(n)]
    assert missing == []


def is_module(name: str) -> bool:
    """A module of this repository; those of others (`python -m venv`) have no dot in them."""
    own = (ROOT / name).with_suffix(".py").is_file() or (ROOT / name / "__main__.py").is_file()
    return own or "/" not in name


def is_ours(name: str) -> bool:
    """A package or module of the engine, or a name that a module defines."""
    path = ROOT / name.replace(".", "/")
    module = path.parent.with_suffix(".py")
    defined = rf"^(def|class) {path.name}\b"
    return (
        (path / "__init__.py").is_file()
        or path.with_suffix(".py").is_file()
        or (module.is_file() and re.search(defined, module.read_text(), re.MULTILINE) is not None)
    )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_options_exist(page: Path) -> None:
    """In blocks of code; a line that ends in a backslash goes on."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    for name, rest in re.findall(r"(?m)^(?:.*-m )?gmmflex (\w+)(.*)", "\n".join(lines)):
        known = {option for param in commands[name].params for option in param.opts}
        given = set(re.findall(r"(?<!\S)(--[a-z-]+)", rest.partition(" # ")[0]))
        assert given - known == set(), name


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_decisions_that_are_mentioned_exist(page: Path) -> None:
    numbers = re.findall(r"decisions?[/ ](\d{3})\b", page.read_text())
    assert [n for n in numbers if not list((DOCS / "decisions").glob(f"{n}-*.md"))] == []


def test_every_decision_is_listed_and_gaps_are_explained() -> None:
    index = (DOCS / "decisions" / "index.md").read_text()
    files = sorted(path.name for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert re.findall(r"\((\d{3}-[\w-]+\.md)\)", index) == files
    for name in files:
        title = (DOCS / "decisions" / name).read_text().splitlines()[0].lstrip("# ")
        assert f"| {title[:3]} | [{title[4:]}]({name}) |" in index
    numbers = [int(n) for n in re.findall(r"^\| (\d{3}) ", index, flags=re.MULTILINE)]
    assert numbers == list(range(1, int(files[-1][:3]) + 1))


def test_pictures_are_used_and_small() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    pictures = sorted(DOCS.rglob("*.png"))
    assert [p.name for p in pictures if not re.search(rf"[(/]{re.escape(p.name)}\)", text)] == []
    assert [p.name for p in pictures if p.stat().st_size > LARGEST_PICTURE_BYTES] == []


def test_every_room_and_stage_has_its_page() -> None:
    text = "\n".join(page.read_text() for page in (DOCS / "api").glob("*.md"))
    shown = re.findall(r"^::: ([\w.]+)$", text, flags=re.MULTILINE)
    for name in shown:
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name
    rooms = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in ENGINE.rglob("*.py")
        if path.name != "__init__.py"
    }
    rooms -= {"gmmflex.engine.io", "gmmflex.engine.stages"}
    # commands are described by their pages, not as modules
    rooms -= {"gmmflex.engine.cli", "gmmflex.engine.cli.shell"}
    wanted = {f"{r}.stage" if r.startswith("gmmflex.engine.stages.") else r for r in rooms}
    assert wanted - set(shown) == set()


def test_versions_of_the_docs_are_exact() -> None:
    lines = (ROOT / "constraints-docs.txt").read_text().splitlines()
    names = [line for line in lines if not line.startswith("#")]
    assert [n for n in names if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", n)] == []
    assert {n.partition("==")[0] for n in names} >= {"mkdocs-material", "mkdocstrings-python"}
