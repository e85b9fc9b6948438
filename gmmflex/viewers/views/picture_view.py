"""A picture that the engine drew, in a window."""

from matplotlib.image import imread

from gmmflex.viewers.views.figure_view import figure_view

MOST_HEIGHT_IN = 8.6


def picture_view(path: str, title: str, width_in: float = 9.6):
    """The picture as it is, filling the window but for a margin; a high one is made to fit."""
    picture = imread(path)
    height_px, width_px = picture.shape[:2]
    width_in = min(width_in, MOST_HEIGHT_IN * width_px / height_px)
    view = figure_view(title, (width_in, width_in * height_px / width_px))
    view.getFigure().set_facecolor("white")
    axes = view.getFigure().add_axes((0.01, 0.01, 0.98, 0.98))
    axes.imshow(picture, interpolation="antialiased")
    axes.axis("off")
    return view
