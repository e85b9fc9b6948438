"""What lies over a cloud of particles and changes often: a path, a moving state, chosen points.

It is drawn onto a kept picture of the cloud, which may be of a million particles.
"""

from matplotlib.lines import Line2D

from gmmflex.viewers.views.plots import ORANGE

_STYLES = {
    "near": {"ls": "", "marker": ".", "ms": 4, "color": ORANGE},
    "path": {"lw": 1.8, "color": "#b3261e"},
    "particle": {"ls": "", "marker": "o", "ms": 12, "mfc": "none", "mec": "#b3261e", "mew": 2},
    "state": {"ls": "", "marker": "o", "ms": 12, "color": "#b3261e", "mec": "white", "mew": 2},
}


class CloudOverlay:
    """Of one panel of a canvas."""

    def __init__(self, canvas, panel) -> None:
        self._canvas = canvas
        self._panel = panel
        self._kept = None
        # In this order, the last on top. No children of the panel: the lasso would draw these
        # with the cloud, and draw the cloud twice.
        self._lines = {name: Line2D([], [], **style) for name, style in _STYLES.items()}
        for line in self._lines.values():
            line.set_figure(panel.figure)
            line.axes = panel
            line.set_transform(panel.transData)
            line.set_clip_path(panel.patch)
        self._connection = canvas.mpl_connect("draw_event", self._keep)

    def put(self, name: str, x=(), y=()) -> None:
        """Place the points of "near", "path", "particle" or "state"; nothing takes them away."""
        self._lines[name].set_data(x, y)
        self.show()

    def show(self) -> None:
        """Draw everything; before the first drawing of the cloud nothing happens."""
        if self._kept is None:
            return
        self._canvas.restore_region(self._kept)
        self._draw()
        self._canvas.blit(self._panel.bbox)

    def disconnect(self) -> None:
        """Forget the panel, which is about to go."""
        self._canvas.mpl_disconnect(self._connection)

    def _keep(self, _event) -> None:
        self._kept = self._canvas.copy_from_bbox(self._panel.bbox)
        self._draw()

    def _draw(self) -> None:
        for line in self._lines.values():
            line.draw(self._canvas.get_renderer())
