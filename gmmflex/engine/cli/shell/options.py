"""Options that do not come from a settings model."""

from __future__ import annotations

from typing import Annotated

import typer

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Delete an earlier run in --output.")]
