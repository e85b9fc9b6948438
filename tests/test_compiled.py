"""Compiled functions where nothing can be kept for later runs."""

from types import SimpleNamespace

import numba
import numpy as np

from gmmflex.engine.model.images import compiled as module


def test_without_a_folder_to_write_to_functions_are_compiled_anew(monkeypatch):
    """numba raises RuntimeError where neither the package nor the home folder can be written to."""
    real = numba.njit

    def no_place_to_keep(*, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(module, "numba", SimpleNamespace(njit=no_place_to_keep))

    @module.compiled
    def total(values):
        result = 0.0
        for value in values:
            result += value
        return result

    assert total(np.arange(5.0)) == 10.0
    assert total.signatures, "not compiled at all"
    assert np.isnan(total(np.array([1.0, np.nan])))
