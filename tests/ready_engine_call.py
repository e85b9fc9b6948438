"""What stands for `python` in front of a program of the engine (ready_engine.py).

    python ready_engine_call.py ADDRESS -m MODULE …    or    … ADDRESS FILE …

Hands the words over and ends as the program does. Anything else is for Python itself.
"""

import array
import json
import os
import signal
import socket
import sys

ANSWER = 8


def main(address: str, words: list[str]) -> int:
    if words[0].startswith("-") and words[0] != "-m":
        os.execv(sys.executable, [sys.executable, *words])
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(f"\0{address}")
        asked = {"words": words, "folder": os.getcwd(), "variables": dict(os.environ)}
        text = json.dumps(asked).encode()
        streams = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
        server.sendmsg([len(text).to_bytes(ANSWER, "little")], streams)
        server.sendall(text)
        process = int.from_bytes(server.recv(ANSWER), "little")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda signum, frame: os.kill(process, signum))
        answer = server.recv(ANSWER)
    # no answer: the program was ended by a signal
    return int.from_bytes(answer, "little", signed=True) if answer else 128 + signal.SIGKILL


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
