"""Particles chosen in a window become a subset in the open project."""

import os
import socket

import numpy as np

_MOST_BYTES = 1024
_PATIENCE_S = 10


def ask_for_subset(project, particles, ids: np.ndarray, label: str) -> None:
    """Let the project's window run Scipion's own "subset" protocol on the particles with these ids.

    particles: the set they are of, an output of the project. Raises ValueError with one sentence if
    no window listens or nothing is chosen.
    """
    if not len(ids):
        raise ValueError("No particles are chosen: draw around some first.")
    port = getattr(project, "port", None)
    if not port:
        raise ValueError("The project is not open in Scipion's window, which makes the subset.")
    folder = project.getTmpPath()
    os.makedirs(os.path.join(project.getPath(), folder), exist_ok=True)
    path = os.path.join(
        folder, f"chosen_{particles.getObjId()}_{_free_number(project, folder)}.txt"
    )
    with open(os.path.join(project.getPath(), path), "w", encoding="ascii") as stream:
        stream.write(" ".join(map(str, ids.tolist())) + "\n")
    message = subset_message(particles.getObjId(), path, particles.getClassName(), label).encode()
    if len(message) > _MOST_BYTES:
        raise ValueError("The name of the subset is too long: choose a shorter one.")
    with socket.create_connection(("localhost", int(port)), timeout=_PATIENCE_S) as connection:
        connection.sendall(message)


def subset_message(object_id: int, path: str, class_name: str, label: str) -> str:
    """What Scipion's window understands; its words are split at blanks, quotes and "="."""
    plain = "".join(" " if letter in "='\"\\\n" else letter for letter in label)
    return (
        f"run protocol ProtUserSubSet inputObject={object_id} sqliteFile='{path},' "
        f"outputClassName='{class_name}' other='' label='{plain}'"
    )


def _free_number(project, folder: str) -> int:
    return len(os.listdir(os.path.join(project.getPath(), folder)))
