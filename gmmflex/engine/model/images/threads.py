"""The compiled kernels on as many threads as torch uses."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import torch
from numpy.typing import NDArray


def over_images(kernel: Callable[..., None], *arrays: NDArray[Any]) -> None:
    """Call kernel(*parts) with the arrays cut along their first axis, one part for each thread.

    The kernel releases the interpreter and writes into the arrays; no two parts overlap.
    """
    n_images = len(arrays[0])
    n_parts = min(torch.get_num_threads(), n_images)
    if n_parts <= 1:
        kernel(*arrays)
        return
    cuts = [n_images * part // n_parts for part in range(n_parts + 1)]
    with ThreadPoolExecutor(n_parts) as pool:
        work = [
            pool.submit(kernel, *(array[start:end] for array in arrays))
            for start, end in pairwise(cuts)
        ]
        for part in work:
            part.result()
