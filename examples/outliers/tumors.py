"""
Outliers, and the features that make them so
============================================

:class:`skae.ReconstructionOutlierDetector` turns any reducer with an inverse into an outlier
detector. It is fitted to measurements of benign tumors, and scores benign and malignant ones that
it has not seen.
"""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from skae import ReconstructionOutlierDetector

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
train, benign = train_test_split(X[y == 1], test_size=0.4, random_state=0)
malignant = X[y == 0]
detector = ReconstructionOutlierDetector(random_state=0).fit(train)

# %%
# The threshold is set for a false-positive rate, on rows that were held out of the fit.

detector.set_threshold(false_positive_rate=0.05)
for name, rows in (("benign", benign), ("malignant", malignant)):
    print(f"{(detector.predict(rows) == -1).mean():.0%} of {len(rows)} {name} are outliers")

# %%
# `p_values` are conformal: of rows like the training rows, at most about one in twenty has a
# p-value of 0.05 or less.

print(f"{(detector.p_values(benign) <= 0.05).mean():.0%} of the benign ones")

# %%
# Scores of both groups, with the threshold.

import pandas as pd

from skae.plotting import ContributionDisplay, OutlierDisplay

both = pd.concat([benign, malignant])
labels = ["benign"] * len(benign) + ["malignant"] * len(malignant)
OutlierDisplay.from_estimator(detector, both, labels)

# %%
# The features in which the worst rows differ, in units of each feature's range in training.

ContributionDisplay.from_estimator(detector, malignant, n_rows=6, n_features=8)

# %%
# The reducer and the kind of score are parameters. The area under the ROC curve is one if all
# malignant tumors rank before all benign ones.

from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

detectors = {
    "the default": detector,
    "plain error of PCA": ReconstructionOutlierDetector(
        make_pipeline(StandardScaler(), PCA(0.95)), method="error", random_state=0
    ),
    "isolation forest": IsolationForest(random_state=0),
}
is_malignant = [label == "malignant" for label in labels]
for name, each in detectors.items():
    area = roc_auc_score(is_malignant, -each.fit(train).score_samples(both))
    print(f"{name:18} {area:.3f}")
