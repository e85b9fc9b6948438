"""One folder per stage: `NAME/stage.py` has the public function, beside it are its parts.

Stages do not know each other, but poses and validate, which repeat an analysis. `rerun` repeats a
run of any stage, `convert` is small enough for one file.
"""
