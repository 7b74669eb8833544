"""Pictures can be read: no text beyond the figure, none over another, at the default size."""

from itertools import combinations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text
from sklearn.utils import Bunch

from skae import plotting

LONG = [f"a feature with a long name {i:02}" for i in range(12)]
IMAGES = np.random.default_rng(0).uniform(size=(12, 8, 6))
CODES = np.random.default_rng(1).normal(size=(300, 2))
CURVE = np.geomspace(1, 0.1, 40)

DISPLAYS = {
    "reconstructions": plotting.ReconstructionDisplay(
        images=IMAGES[:10], reconstructions={"a reducer of some kind\n87% explained": IMAGES[:10]}
    ),
    "grid": plotting.ImageGridDisplay(images=IMAGES, labels=[str(i) for i in range(12)]),
    "interpolation": plotting.InterpolationDisplay(images=IMAGES.reshape(2, 6, 8, 6)),
    "traversal": plotting.TraversalDisplay(images=IMAGES.reshape(2, 6, 8, 6), components=[0, 11]),
    "manifold": plotting.ManifoldDisplay(images=IMAGES[:9].reshape(3, 3, 8, 6)),
    "error maps": plotting.ErrorMapDisplay(
        maps=dict.fromkeys(("PCA", "dense autoencoder", "variational"), IMAGES[0])
    ),
    "feature maps": plotting.FeatureMapDisplay(
        maps={f"encoder.nonlinear.{i}": IMAGES[:3].transpose(1, 2, 0) for i in range(5)}
    ),
    "codes of classes": plotting.LatentSpaceDisplay(
        positions=CODES, y=np.array(LONG)[np.arange(300) % 12]
    ),
    "codes of a quantity": plotting.LatentSpaceDisplay(positions=CODES, y=1e6 * CODES[:, 0]),
    "codes of one dimension": plotting.LatentSpaceDisplay(
        positions=CODES * [1, 0], y=np.arange(300) % 3, axis_labels=("code 1", "")
    ),
    "moves": plotting.MapMovesDisplay(
        before=CODES, after=1.1 * CODES, y=np.array(LONG)[np.arange(300) % 12]
    ),
    "loss": plotting.LossCurveDisplay(train_loss=CURVE, valid_loss=1.1 * CURVE),
    "losses": plotting.LossComparisonDisplay(losses=dict.fromkeys(LONG[:7], CURVE)),
    "error over size": plotting.TradeOffDisplay(
        costs={name: [2, 8, 32] for name in LONG[:6]},
        scores={name: [3e-3, 2e-3, 1e-4] for name in LONG[:6]},
        cost_name="size of the code",
        score_name="reconstruction error",
    ),
    "error over seconds": plotting.TradeOffDisplay(
        costs={"a": [0.001], "b": [123.4]},
        scores={"a": [1e5], "b": [12]},
        cost_name="fit seconds",
        score_name="reconstruction error",
    ),
    "outliers": plotting.OutlierDisplay(
        deviations=np.exp(CODES[:, 0]), threshold=3.0, y=np.arange(300) % 2
    ),
    "contributions": plotting.ContributionDisplay(
        contributions=np.abs(CODES[:60]).reshape(10, 12),
        row_names=[f"row {i}" for i in range(10)],
        feature_names=LONG,
    ),
    "forecast": plotting.ForecastDisplay(
        observed=np.sin(np.arange(20) / 3)[:, None], forecast=np.ones((5, 1)), truth=np.ones((5, 1))
    ),
    "forecast of frames": plotting.ForecastDisplay(observed=IMAGES[:6], forecast=IMAGES[6:9]),
    "series": plotting.SeriesDisplay(
        series=1e4 * np.cumsum(CODES[:, :1], axis=0),
        scores=np.abs(CODES[:, 1]),
        events=[(20, 40)],
        threshold=2,
    ),
    "outliers of a series": plotting.SeriesOutlierDisplay(
        series=1e4 * np.cumsum(np.tile(CODES, 3), axis=0),
        deviations=CODES[:, 0] ** 2,
        threshold=2.0,
        events=[(20, 40), (290, 300)],
        channel_deviations=np.abs(np.tile(CODES, 3)),
        channel_names=[f"sensor {i}" for i in range(6)],
        times=np.datetime64("2025-03-01") + np.arange(300) * np.timedelta64(1, "h"),
        y=CODES[:, 0] > 1,
    ),
    "outliers of one channel": plotting.SeriesOutlierDisplay(
        series=CODES[:, :1],
        deviations=CODES[:, 0] ** 2,
        threshold=2.0,
        events=[],
        channel_deviations=CODES[:, :1],
        channel_names=["0"],
    ),
    "importances": plotting.ComponentImportancesDisplay(
        importances=np.abs(CODES[:18]).reshape(3, 12), feature_names=LONG
    ),
    "importances of pixels": plotting.ComponentImportancesDisplay(
        importances=IMAGES[:5].reshape(5, 48), image_shape=(8, 6)
    ),
    "activity": plotting.ComponentActivityDisplay(
        effect=CURVE[:30], is_active=CURVE[:30] > 0.3, divergence=CURVE[:30]
    ),
    "disentanglement": plotting.DisentanglementDisplay(
        found=Bunch(mutual_information=np.eye(3, 4), mig=0.5, modularity=0.25, completeness=0.125),
        factor_names=["x position", "y position", "angle of the arm", "distance"],
    ),
}


@pytest.fixture(scope="module", params=DISPLAYS)
def drawn(request):
    """The texts that are shown, and the box of the figure."""
    figure = DISPLAYS[request.param].plot().figure_
    figure.canvas.draw()
    hidden = {id(label) for ax in figure.findobj(Axes) for label in labels_beyond(ax)}
    texts = [
        each
        for each in figure.findobj(Text)
        if each.get_visible() and each.get_text().strip() and id(each) not in hidden
    ]
    yield texts, figure.bbox
    plt.close(figure)


def labels_beyond(ax):
    """Labels of ticks beyond the limits of their axis, which exist without being drawn."""
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low <= tick.get_loc() <= high:
                yield from (tick.label1, tick.label2)


def test_no_text_is_cut_off_by_the_edge(drawn):
    texts, edge = drawn
    # Two pixels of tolerance.
    room = edge.padded(2)
    boxes = {each.get_text(): each.get_window_extent() for each in texts}
    corners = {name: [(box.x0, box.y0), (box.x1, box.y1)] for name, box in boxes.items()}
    assert [name for name, each in corners.items() if room.count_contains(each) < 2] == []


def test_no_text_lies_over_another(drawn):
    texts, _ = drawn
    # Boxes of slanted labels overlap where the letters do not.
    flat = [each for each in texts if each.get_rotation() % 90 == 0]
    boxes = [(each.get_text(), each.get_window_extent().padded(-2)) for each in flat]
    over = [(a, b) for (a, first), (b, second) in combinations(boxes, 2) if first.overlaps(second)]
    assert over == []


def test_every_display_is_looked_at():
    kinds = {type(each).__name__ for each in DISPLAYS.values()}
    assert {name for name in plotting.__all__ if name.endswith("Display")} == kinds
