"""Pictures of a movie: the surface of each state from two sides, coloured by how far it moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial import cKDTree

from gmmflex.engine.model.volumes.surface_view import SurfaceView, surface_view
from gmmflex.engine.stages.movie.states import Stage, densities, displacements_A

Pixels = NDArray[np.float64]

_PANEL, _FOOT, _MARGIN = 380, 62, 14
_TEXT = (60, 60, 60)
_LIGHT = np.array([-0.35, 0.55, 0.76])
# The same colours as on the models in ChimeraX.
_COLOURS = LinearSegmentedColormap.from_list("moved", ["#4575b4", "#fee090", "#d73027"])
# Rays for each voxel of an edge: with one, outlines have steps.
_RAYS = 2
# Gaussians that a place on the surface takes its colour from.
_NEAREST = 4


def pictures(
    stage: Stage, title: str, keep: Callable[[int, NDArray[np.float32]], None]
) -> Iterator[Image.Image]:
    """A picture of each state in turn. keep: is given its number (from 0) and its density."""
    for k, density in enumerate(densities(stage)):
        keep(k, density)
        yield picture(stage, density, k, title)


def picture(stage: Stage, density: NDArray[np.float32], k: int, title: str) -> Image.Image:
    """State k from the front, as ChimeraX opens it, and from the right, with a scale."""
    canvas = Image.new("RGB", (2 * _PANEL, _PANEL + _FOOT), "white")
    fine = _finer(density)
    for column, (turned, back) in enumerate((_front(fine), _right(fine))):
        seen = surface_view(turned, stage.level)
        places_px = back(seen.places_px[seen.hit].astype(np.float64)) / _RAYS
        moved_A = _moved_A(stage, k, places_px)
        colours = _COLOURS(np.clip(moved_A / max(stage.most_A, 1e-6), 0.0, 1.0))[:, :3]
        pixels = (255 * _shaded(seen, colours, len(fine))).round().astype(np.uint8)
        panel = Image.fromarray(pixels).resize((_PANEL, _PANEL), Image.Resampling.LANCZOS)
        canvas.paste(panel, (column * _PANEL, 0))
    _annotate(canvas, stage, f"{title}, state {k + 1} of {len(stage.mixtures)}")
    return canvas


def sheet(frames: list[Image.Image]) -> Image.Image:
    """Five of the pictures below each other, for where nothing can move."""
    chosen = [frames[i] for i in np.unique(np.linspace(0, len(frames) - 1, 5).round().astype(int))]
    width, height = chosen[0].size
    page = Image.new("RGB", (width, height * len(chosen)), "white")
    for row, frame in enumerate(chosen):
        page.paste(frame, (0, row * height))
    return page


def _finer(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """_RAYS voxels for each, by linear interpolation; voxel 0 stays where it is."""
    data = torch.from_numpy(density)[None, None]
    edge = _RAYS * (len(density) - 1) + 1
    finer = torch.nn.functional.interpolate(
        data, size=(edge, edge, edge), mode="trilinear", align_corners=True
    )
    return finer[0, 0].numpy()


def _front(density: NDArray[np.float32]) -> tuple[NDArray[np.float32], Callable[[Pixels], Pixels]]:
    return density, lambda places: places


def _right(density: NDArray[np.float32]) -> tuple[NDArray[np.float32], Callable[[Pixels], Pixels]]:
    """Seen from +x: −z is to the right; and how to come back to x, y, z."""
    last = len(density) - 1

    def back(places: Pixels) -> Pixels:
        return np.stack([places[:, 2], places[:, 1], last - places[:, 0]], axis=1)

    return density.transpose(2, 1, 0)[:, :, ::-1], back


def _moved_A(stage: Stage, k: int, places_px: Pixels) -> NDArray[np.float64]:
    """How far the Gaussians next to (m, 3) places of the surface are from the first state."""
    if not len(places_px):
        return np.zeros(0)
    positions_A = stage.mixtures[k].positions_A.cpu().numpy()
    places_A = (places_px - stage.box // 2) * stage.voxel_A
    near = cKDTree(positions_A).query(places_A, k=min(_NEAREST, len(positions_A)))[1]
    moved_A = displacements_A(stage.mixtures, k)[near]
    return np.asarray(moved_A.reshape(len(places_px), -1).mean(axis=1))


def _shaded(seen: SurfaceView, colours: NDArray[np.float64], depth_px: int) -> Pixels:
    """(ny, nx, 3) from 0 to 1: light from the upper left, what is far away paler."""
    pixels = np.ones((*seen.hit.shape, 3))
    normals = seen.normals[seen.hit].astype(np.float64)
    light = np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), 0.0, 1.0)
    facing = np.clip(normals[:, 2], 0.0, 1.0)
    brightness = (0.42 + 0.58 * light) * (0.6 + 0.4 * facing)
    shine = 0.18 * light**24
    haze = 0.3 * (1.0 - seen.places_px[seen.hit][:, 2] / depth_px).astype(np.float64)
    lit = np.clip(colours * brightness[:, None] + shine[:, None], 0.0, 1.0)
    pixels[seen.hit] = lit * (1.0 - haze[:, None]) + haze[:, None]
    return pixels


def _annotate(canvas: Image.Image, stage: Stage, text: str) -> None:
    """What is shown, the colours' scale, and a bar of a round length."""
    draw = ImageDraw.Draw(canvas)
    top = _PANEL + 8
    draw.text((_MARGIN, top), text, fill=_TEXT, font=_font(15))
    pixel_A = stage.voxel_A * stage.box / _PANEL
    length_A = _round_length(0.25 * _PANEL * pixel_A)
    length = round(length_A / pixel_A)
    bar = top + 34
    draw.rectangle((_MARGIN, bar, _MARGIN + length, bar + 4), fill=_TEXT)
    draw.text((_MARGIN + length + 8, bar - 7), f"{length_A:g} Å", fill=_TEXT, font=_font(13))
    width = 150
    left = canvas.width - width - 80
    ramp = _COLOURS(np.linspace(0, 1, width))[:, :3]
    strip = (255 * np.broadcast_to(ramp, (12, width, 3))).round().astype(np.uint8)
    canvas.paste(Image.fromarray(strip), (left, bar - 4))
    draw.text((left - 14, bar - 7), "0", fill=_TEXT, font=_font(13))
    most = f"{stage.most_A:.1f} Å"
    draw.text((left + width + 8, bar - 7), most, fill=_TEXT, font=_font(13))
    draw.text((left, bar - 26), "from the first state", fill=_TEXT, font=_font(13))


def _round_length(wanted: float) -> float:
    """The largest of 1, 2, 5 × 10ⁿ that is not above `wanted`."""
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(max(step * power for step in (1, 2, 5) if step * power <= wanted))


def _font(size: int) -> ImageFont.FreeTypeFont:
    """matplotlib's own letters: they are there wherever it is."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), size)
