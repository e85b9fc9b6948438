"""Writing a movie: GIF always, MP4 where ffmpeg comes with imageio-ffmpeg."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from gmmflex.engine.io.writing import replacing

# GIF counts hundredths of a second, and viewers slow down what is faster than two of them.
_LEAST_CENTISECONDS = 2


def in_order(count: int, closed: bool) -> list[int]:
    """Which states are shown, over and over: around, or there and back."""
    return list(range(count)) + ([] if closed else list(range(count - 2, 0, -1)))


def write_gif(path: Path, frames: Sequence[Image.Image], per_second: float) -> None:
    """An endless GIF with one table of colours, so that nothing flickers."""
    together = Image.new("RGB", (frames[0].width, 2 * frames[0].height))
    together.paste(frames[0], (0, 0))
    together.paste(frames[len(frames) // 2], (0, frames[0].height))
    palette = together.quantize(255, method=Image.Quantize.MEDIANCUT)
    few = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    hundredths = max(_LEAST_CENTISECONDS, round(100 / per_second))
    with replacing(path) as temporary:
        few[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=few[1:],
            duration=10 * hundredths,
            loop=0,
        )


def mp4_possible() -> bool:
    """Whether imageio-ffmpeg, which brings ffmpeg, is installed."""
    return find_spec("imageio_ffmpeg") is not None


def write_mp4(path: Path, frames: Sequence[Image.Image], per_second: float, least_s: float) -> None:
    """H.264 as every browser and slide program plays it; repeated until it lasts `least_s`."""
    import imageio_ffmpeg

    repeats = max(1, int(np.ceil(least_s * per_second / len(frames))))
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            frames[0].size,
            fps=per_second,
            codec="libx264",
            quality=7,
            macro_block_size=2,
            output_params=["-f", "mp4", "-movflags", "+faststart"],
        )
        writer.send(None)
        for _ in range(repeats):
            for frame in frames:
                writer.send(np.ascontiguousarray(frame))
        writer.close()
