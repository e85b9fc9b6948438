"""Ways between two latents that keep to places where particles are."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

# Particles that a way may lead over, and how many neighbours each is joined to; more, if needed.
_MOST_NODES, _NEIGHBOURS, _MOST_NEIGHBOURS = 20_000, 12, 100
# A step costs its length to this power.
_POWER = 3.0
# No step is taken to be shorter than this part of the median one.
_SHORTEST = 0.01
# Latents carry noise: a way leads over means of so many particles.
_AVERAGED = 30

_Latents = NDArray[np.float32]
_Floats = NDArray[np.float64]


def populated_path(
    latents: _Latents, first: int, last: int, frames: int, seed: int
) -> _Latents | None:
    """(frames, d) latents from particle `first` to particle `last` (rows from 0), evenly spaced.

    The shortest path on the graph of nearest neighbours where a step of length s costs s³: many
    short steps through places where particles lie dense are cheaper than few long ones elsewhere
    (power-weighted distance; Hwang, Damelin & Hero, Ann. Appl. Probab. 26 (2016) 2791). Its points
    are then averaged with the particles around them. None if particles between are so few that
    the graph falls into pieces.
    """
    nodes, start, end = _nodes(latents, first, last, seed)
    tree = cKDTree(nodes)
    neighbours = min(_NEIGHBOURS, len(nodes) - 1)
    steps = None
    most = min(_MOST_NEIGHBOURS, len(nodes) - 1)
    while steps is None:
        steps = _steps(nodes, tree, start, end, neighbours)
        if neighbours == most:
            break
        neighbours = min(2 * neighbours, most)
    if steps is None:
        return None
    count = min(_AVERAGED, max(1, len(nodes) // 20))
    around = tree.query(nodes[steps], k=count)[1].reshape(len(steps), count)
    way = nodes[around].mean(axis=1)
    way[0], way[-1] = nodes[start], nodes[end]
    return evenly_spaced(_smooth(way), frames)


def evenly_spaced(way: _Floats, frames: int) -> _Latents:
    """(frames, d) points at equal steps along the line through (m, d) points."""
    lengths = np.linalg.norm(np.diff(way, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    places = np.linspace(0.0, along[-1], frames)
    columns = [np.interp(places, along, values) for values in way.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _nodes(latents: _Latents, first: int, last: int, seed: int) -> tuple[_Floats, int, int]:
    rows = np.arange(len(latents))
    if len(rows) > _MOST_NODES:
        rows = np.random.default_rng(seed).choice(rows, _MOST_NODES, replace=False)
    rows = np.unique(np.concatenate([rows, [first, last]]))
    start, end = np.searchsorted(rows, [first, last]).tolist()
    return latents[rows].astype(np.float64), start, end


def _steps(
    nodes: _Floats, tree: cKDTree, start: int, end: int, neighbours: int
) -> list[int] | None:
    """The nodes on the way, or None if there is none."""
    lengths, others = tree.query(nodes, k=neighbours + 1)
    # Particles at the same place are joined all the same: a sparse matrix has no edge of 0.
    shortest = max(_SHORTEST * float(np.median(lengths[:, 1:])), 1e-30)
    costs = np.maximum(lengths / shortest, 1.0) ** _POWER
    own = np.repeat(np.arange(len(nodes)), neighbours + 1)
    keep = own != others.ravel()
    shape = (len(nodes), len(nodes))
    graph = csr_matrix((costs.ravel()[keep], (own[keep], others.ravel()[keep])), shape=shape)
    graph = graph.maximum(graph.T).tocsr()
    return _cheapest(graph, start, end)


def _cheapest(graph: csr_matrix, start: int, end: int) -> list[int] | None:
    """Dijkstra's way from start to end; None if there is none.

    Not scipy's: that of 1.10, which Scipion needs, does not come back from some of these graphs.
    """
    before, done, waiting = {start: start}, set(), [(0.0, start, start)]
    while waiting and end not in done:
        cost, node, previous = heapq.heappop(waiting)
        if node in done:
            continue
        done.add(node)
        before[node] = previous
        own = slice(graph.indptr[node], graph.indptr[node + 1])
        for step, other in zip(graph.data[own].tolist(), graph.indices[own].tolist(), strict=True):
            if other not in done:
                heapq.heappush(waiting, (cost + step, other, node))
    if end not in done:
        return None
    steps = [end]
    while steps[-1] != start:
        steps.append(before[steps[-1]])
    return steps[::-1]


def _smooth(way: _Floats) -> _Floats:
    """Each point but the ends averaged with the two beside it."""
    if len(way) < 3:
        return way
    middle = 0.25 * way[:-2] + 0.5 * way[1:-1] + 0.25 * way[2:]
    return np.concatenate([way[:1], middle, way[-1:]])
