"""Opening a ChimeraX script, and the message where ChimeraX is not installed."""

import os
import shutil
from pathlib import Path

from pwem.viewers import Chimera, ChimeraView
from pyworkflow.viewer import MSG_INFO, MessageView


def chimerax_program() -> str | None:
    """The ChimeraX that Scipion is configured for, else the one on the PATH, else None."""
    configured = Chimera.getProgram()
    if configured and os.path.exists(configured):
        return configured
    return shutil.which("ChimeraX") or shutil.which("chimerax")


class ChimeraXScriptView(ChimeraView):
    """Opens a script in the ChimeraX that was found; does not wait for it."""

    def getProgram(self):
        return f'"{chimerax_program()}"'


def script_view(path: str, text: str, tk_root=None):
    """Write a script and give the view that opens it, or a message that names its path."""
    script = Path(path)
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text, encoding="utf-8")
    if chimerax_program():
        return ChimeraXScriptView(str(script.resolve()))
    return MessageView(
        "ChimeraX is not configured in this Scipion.\n\n"
        f"The script is ready; open it in any ChimeraX:\n{script.resolve()}\n\n"
        "To open it from here, install the plugin scipion-em-chimera or set CHIMERA_HOME in the "
        "configuration of Scipion.",
        "ChimeraX not found",
        msgType=MSG_INFO,
        tkParent=tk_root,
    )
