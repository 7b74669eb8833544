"""Which tumours differ from the benign ones, and in which features?

The detector is fitted on benign tumours alone. It learns to reconstruct them from fewer numbers,
and measures how far every other tumour lies from these reconstructions. Conformal p-values turn
that distance into a guarantee: of tumours that are benign, about one in twenty has a p-value of
at most 0.05. The per-feature contributions say in which features a tumour differs.

With the environment variable SKAE_DATA naming a folder that holds outliers.npz (eleven sets
of the ADBench collection), a table follows: the area under the ROC curve on 40 % of the rows
of each, fitted without labels on the other 60 %, outliers and all. An autoencoder joins with
--autoencoder and takes some minutes more.

    python -m benchmarks.studies.outliers
    SKAE_DATA=path/to/folder python -m benchmarks.studies.outliers --autoencoder
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, ReconstructionOutlierDetector

from ._data import find


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--alpha", type=float, default=0.05, help="false-positive rate")
    parser.add_argument("--autoencoder", action="store_true", help="add one to the table")
    parser.add_argument("--random-state", type=int, default=0, help="seed of all chance")
    return parser.parse_args(argv)


def tell_of_tumours(alpha, random_state):
    """Fit on benign tumours, and meet malignant ones and benign ones not seen before."""
    tumours = load_breast_cancer(as_frame=True)
    is_benign = tumours.target == 1
    train, benign = train_test_split(
        tumours.data[is_benign], test_size=0.4, random_state=random_state
    )
    malignant = tumours.data[~is_benign]
    detector = ReconstructionOutlierDetector(random_state=random_state).fit(train)
    detector.set_threshold(false_positive_rate=alpha)

    print(f"Fitted on {len(train)} benign tumours. p-values of at most {alpha}:")
    for name, group in (("benign", benign), ("malignant", malignant)):
        print(f"  {(detector.p_values(group) <= alpha).mean():4.0%} of {len(group)} {name}")

    strangest = malignant.iloc[[detector.score_samples(malignant).argmin()]]
    contributions = detector.feature_scores(strangest).iloc[0]
    table = pd.DataFrame(
        {
            "value": strangest.iloc[0],
            "off by": contributions,
            "of a usual range of": detector.scale_,
        }
    )
    order = (contributions / detector.scale_).sort_values(ascending=False).index
    print(f"\nThe strangest, number {strangest.index[0]}, is strange in:")
    print(table.loc[order[:5]].round(2).to_string())


def make_detectors(with_autoencoder, random_state):
    detectors = {
        "isolation forest": IsolationForest(random_state=random_state),
        "local outlier factor": LocalOutlierFactor(novelty=True),
        "PCA, plain error": ReconstructionOutlierDetector(
            PCA(0.95), method="error", random_state=random_state
        ),
        "skae, as it comes": ReconstructionOutlierDetector(random_state=random_state),
    }
    if with_autoencoder:
        detectors["skae, autoencoder"] = ReconstructionOutlierDetector(
            Autoencoder(n_components=8, random_state=random_state), random_state=random_state
        )
    return detectors


def load_sets(path):
    """Return rows and labels (1 = outlier) by name; without a path, scikit-learn's tumours.

    Of these, one in twenty is malignant: outliers are to be few.
    """
    if path is None:
        X, is_benign = load_breast_cancer(return_X_y=True)
        kept = np.r_[np.flatnonzero(is_benign), np.flatnonzero(is_benign == 0)[:19]]
        return {"tumours": (X[kept], 1 - is_benign[kept])}
    with np.load(path) as sets:
        names = [key[:-2] for key in sets if key.endswith("_X")]
        return {name: (sets[f"{name}_X"], sets[f"{name}_y"]) for name in names}


def areas_under_curve(sets, detectors):
    """Area under the ROC curve of each detector on each set, as a table with their means."""
    areas = {}
    for name, (X, y) in sets.items():
        train, test, _, hidden = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
        areas[name] = {
            label: roc_auc_score(hidden, -detector.fit(train).score_samples(test))
            for label, detector in detectors.items()
        }
    table = pd.DataFrame(areas).T
    return pd.concat([table, table.mean().to_frame("mean").T])


def measure(quick=False):
    """Yield what, reached and asked: the mean area of each detector; a quick run is no other."""
    path = find("outliers.npz")
    sets = load_sets(path)
    table = areas_under_curve(sets, make_detectors(with_autoencoder=False, random_state=0))
    where = "scikit-learn's tumours" if path is None else f"{len(sets)} sets of ADBench"
    for label, area in table.loc["mean"].items():
        asked = "≥ 0.88" if path is not None and label == "skae, as it comes" else ""
        yield f"{where}: mean area under the ROC curve, {label}", area, asked


def main(argv=None):
    arguments = parse_arguments(argv)
    tell_of_tumours(arguments.alpha, arguments.random_state)
    path = find("outliers.npz")
    if path is None:
        print("\nNo outliers.npz where SKAE_DATA points: the table over eleven sets is left out.")
        return
    detectors = make_detectors(arguments.autoencoder, arguments.random_state)
    print("\nArea under the ROC curve on eleven sets:")
    print(areas_under_curve(load_sets(path), detectors).round(3).to_string())


if __name__ == "__main__":
    main()
