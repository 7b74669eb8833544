"""What the commands do."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from .._utils import import_optional
from ..comparison import compare
from ..estimators.autoencoder import Autoencoder
from ..estimators.outlier import ReconstructionOutlierDetector
from ..estimators.table_encoder import TableEncoder
from ..estimators.variational import VariationalAutoencoder
from ..persistence import save
from ._data import Data, encode, fit_encoder, read
from ._output import TABLES, WRITERS, Columns, check_target, write

_N_NAMED_COLUMNS = 3  # of each outlier


def _compare(parsed: argparse.Namespace) -> int:
    """Print the table, write the reports."""
    writers = {"html": "to_html", "json": "to_json", "markdown": "to_markdown"}
    paths = {method: getattr(parsed, name) for name, method in writers.items()}
    for path in paths.values():
        # Before the data are read: a comparison of minutes is not to end at a wrong path.
        check_target(path)
    data = read(parsed.data, label=parsed.label, drop=parsed.drop)
    # Missing values stay: the default reducers mask them or impute them, each its own way.
    X = encode(data, fit_encoder(data, missing_values="nan"))
    # A list of sizes serves files of any width: no code is wider than its table.
    sizes = [min(size, _n_features(X)) for size in dict.fromkeys(parsed.components)]
    comparison = compare(
        X,
        data.y,
        # A single size gives rows without sizes in their names.
        n_components=sizes[0] if len(sizes) == 1 else list(dict.fromkeys(sizes)),
        cv=parsed.folds,
        n_jobs=parsed.jobs,
        random_state=parsed.seed,
        verbose=_shows_progress(parsed),
    )
    sys.stdout.write(f"{comparison}\n")
    for method, path in paths.items():
        if path is not None:
            getattr(comparison, method)(path)
    # A failure of some is in the table, and a warning; that of all is one of the command.
    return int(not comparison.codes)


def _outliers(parsed: argparse.Namespace) -> int:
    """Print the outliers, the most unusual first; write the scores of all."""
    check_target(parsed.out, allowed=TABLES)
    data = read(parsed.data, label=parsed.label, drop=parsed.drop)
    train = (
        data if parsed.train is None else read(parsed.train, label=parsed.label, drop=parsed.drop)
    )
    encoder = fit_encoder(train)
    X = encode(data, encoder)
    detector = ReconstructionOutlierDetector(random_state=parsed.seed).fit(encode(train, encoder))
    # By conformal p-values, so that the rate means what it says on new rows.
    detector.set_threshold(false_positive_rate=parsed.rate)
    columns: Columns = {
        "row": np.array(data.rows, dtype=object),
        "score": detector.score_samples(X),
        "p_value": detector.p_values(X),
        "is_outlier": detector.predict(X) == -1,
    }
    found = np.flatnonzero(columns["is_outlier"])
    # Lower scores are more unusual.
    found = found[np.argsort(columns["score"][found], kind="stable")]
    shown = found[: parsed.top]
    _print_outliers(columns, shown, _leading_columns(detector, X, shown, encoder), len(found))
    if parsed.out is not None:
        write(parsed.out, columns)
    return 0


def _print_outliers(
    columns: Columns, shown: np.ndarray, blamed: list[list[str]], n_found: int
) -> None:
    """Print a line for each row, with the columns that contribute most to its score."""
    # Tabs: `cut` and spreadsheets read the lines, and people can as well.
    lines = ["row\tscore\tp_value\tcolumns"]
    for row, names in zip(shown, blamed, strict=True):
        name, score, p_value = (columns[key][row] for key in ("row", "score", "p_value"))
        lines.append(f"{name}\t{score:.4g}\t{p_value:.4g}\t{', '.join(names)}")
    sys.stdout.write("\n".join(lines) + "\n")
    # Not on the standard output, which other programs read.
    sys.stderr.write(f"{n_found} of {len(columns['row'])} rows are outliers.\n")


def _leading_columns(
    detector: Any, X: Any, rows: np.ndarray, encoder: TableEncoder | None
) -> list[list[str]]:
    """Return the columns of a table that contribute most to the score of each row."""
    if not len(rows) or encoder is None:
        return [[] for _ in rows]
    contributions = np.asarray(detector.feature_scores(X.iloc[rows]) / detector.scale_)
    # A category or date has several numbers, a constant column has none.
    places = {name: place for name, place in encoder.output_indices_.items() if _length(place)}
    totals = np.column_stack([contributions[:, place].sum(axis=1) for place in places.values()])
    order = np.argsort(-totals, axis=1, kind="stable")[:, :_N_NAMED_COLUMNS]
    return [[list(places)[i] for i in each] for each in order]


def _length(place: slice) -> int:
    return int(place.stop - place.start)


def _embed(parsed: argparse.Namespace) -> int:
    """Fit a reducer on all rows, and write their codes."""
    check_target(parsed.out, allowed=tuple(WRITERS))
    check_target(parsed.save)
    data = read(parsed.data, label=parsed.label, drop=parsed.drop)
    X = encode(data, fit_encoder(data))
    reducer = _REDUCERS[parsed.reducer](parsed, X)
    codes = np.asarray(
        reducer.fit_transform(X if data.is_table or _is_network(reducer) else _rows(X))
    )
    write(parsed.out, _with_rows(data, parsed.label, codes))
    if parsed.save is not None:
        save(reducer, parsed.save)
    return 0


def _with_rows(data: Data, label: str | None, codes: np.ndarray) -> Columns:
    """Return the codes as columns, after the names of the rows and their classes."""
    columns: Columns = {"row": np.array(data.rows, dtype=object)}
    if data.y is not None and label is not None:
        columns[label] = data.y
    return columns | {f"code_{i}": values for i, values in enumerate(codes.T)}


def _is_network(reducer: Any) -> bool:
    return isinstance(reducer, Autoencoder | VariationalAutoencoder)


def _rows(X: np.ndarray) -> np.ndarray:
    # PCA and UMAP take no images.
    return X.reshape(len(X), -1)


def _n_features(X: Any) -> int:
    return int(np.prod(X.shape[1:]))


def _umap(parsed: argparse.Namespace, X: Any) -> Any:
    umap = import_optional("umap", "umap")
    # A seeded UMAP runs on one core, and warns if asked for more.
    return umap.UMAP(n_components=parsed.components, random_state=parsed.seed, n_jobs=1)


def _network(kind: Callable[..., Any]) -> Callable[[argparse.Namespace, Any], Any]:
    def make(parsed: argparse.Namespace, X: Any) -> Any:
        verbose = _shows_progress(parsed)
        return kind(parsed.components, random_state=parsed.seed, verbose=verbose)

    return make


def _shows_progress(parsed: argparse.Namespace) -> int:
    """Return 1 on a terminal: in a log, progress bars are noise."""
    return int(sys.stderr.isatty() and not parsed.quiet)


_REDUCERS: dict[str, Callable[[argparse.Namespace, Any], Any]] = {
    "autoencoder": _network(Autoencoder),
    "variational": _network(VariationalAutoencoder),
    "pca": lambda parsed, X: PCA(parsed.components, random_state=parsed.seed),
    "umap": _umap,
}
COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "compare": _compare,
    "outliers": _outliers,
    "embed": _embed,
}
