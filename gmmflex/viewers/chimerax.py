"""ChimeraX scripts, and what to say where ChimeraX is not installed."""

import os
import shutil
from pathlib import Path

from pwem.viewers import Chimera, ChimeraView
from pyworkflow.viewer import MSG_INFO, MessageView


def mixture_script(mixture_file: str, map_file: str, sigma_A: float = 2.0) -> str:
    """Commands that show a mixture as spheres inside the transparent surface of a map.

    Spheres are coloured by amplitude, which the file holds as occupancy.
    """
    return "\n".join(
        [
            f'open "{os.path.abspath(map_file)}"',
            f'open "{os.path.abspath(mixture_file)}"',
            "set bgColor white",
            "lighting soft",
            "volume #1 style surface step 1",
            "color #1 #9fb8d0 target s",
            "transparency #1 65 target s",
            "hide #2 cartoons",
            "show #2 atoms",
            "style #2 sphere",
            f"size #2 atomRadius {sigma_A:.2f}",
            "color byattribute a:occupancy #2 palette #3b528b:#21918c:#fde725",
            "view",
            "",
        ]
    )


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
    """Write a script and give the view that opens it, or a message that says where it lies."""
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
