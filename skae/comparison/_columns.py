"""The columns of the table: what each measures, and which direction is better."""

from typing import NamedTuple


class Column(NamedTuple):
    """One measure of a reducer."""

    name: str
    higher_is_better: bool
    meaning: str  # for a reader who meets the word for the first time


COLUMNS = (
    Column(
        "reconstruction error",
        False,
        "Mean squared difference between held-out rows and their reconstruction from the code, "
        "in squared units of the data. 0 is perfect.",
    ),
    Column(
        "explained variance",
        True,
        "Fraction of the variance of held-out rows that the reconstruction explains. 1 is perfect, "
        "0 is as good as the mean of the data.",
    ),
    Column(
        "trustworthiness",
        True,
        "Whether nearest neighbors in the code are neighbors in the data as well: low if the code "
        "puts rows together that are far apart. 1 is best, about 0.5 is chance.",
    ),
    Column(
        "continuity",
        True,
        "Whether nearest neighbors in the data stay neighbors in the code: low if the code tears "
        "rows apart that are close. 1 is best, about 0.5 is chance.",
    ),
    Column(
        "k-NN accuracy",
        True,
        "Fraction of held-out rows whose class is that of most of their five nearest training rows "
        "in the code. It measures how well the code keeps the classes apart.",
    ),
    Column("fit seconds", False, "Seconds to fit the reducer on the training rows."),
    Column("transform seconds", False, "Seconds to compute the codes of the held-out rows."),
)
