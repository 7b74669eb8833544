"""
Architecture and size of the code in a grid search
==================================================

Everything that defines an autoencoder is a parameter, its networks included. A search therefore
compares PCA, dense and convolutional networks inside the pipeline that uses their codes.
"""

import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skae import Autoencoder
from skae.architectures import Conv, Dense

X, y = load_digits(return_X_y=True)
pipeline = Pipeline(
    [
        ("reduce", Autoencoder(8, image_shape=(8, 8), max_iter=15, random_state=0)),
        ("classify", LogisticRegression(max_iter=1000)),
    ]
)

# %%
# Steps are replaced as a whole (``reduce``), or by their parameters. Those of the architecture
# have names such as ``reduce__architecture__hidden_layer_sizes``.

search = GridSearchCV(
    pipeline,
    [
        {"reduce": [PCA(8)]},
        {"reduce__architecture": [Dense((64,)), Dense((256, 256)), Conv((8, 16))]},
    ],
    cv=2,
).fit(X / 16, y)

# %%
# Accuracy of each candidate on held-out digits, after fifteen epochs of training.

results = pd.DataFrame(search.cv_results_)
results.index = [", ".join(map(str, params.values())) for params in results["params"]]
results["mean_test_score"].plot.barh(xlabel="accuracy on held-out digits", figsize=(8, 3))
print(results["mean_test_score"].round(3).to_string())

# %%
# The search refits the best candidate on all rows.

print(search.best_estimator_["reduce"])

# %%
# Without a prediction, the reconstruction decides: :func:`skae.metrics.reconstruction_scorer`
# scores PCA and autoencoders alike. Here it chooses the weight decay.

from skae.metrics import reconstruction_scorer

search = GridSearchCV(
    Autoencoder(8, max_iter=5, random_state=0),
    {"alpha": [0.01, 0.3, 1.0]},
    scoring=reconstruction_scorer,
    cv=2,
).fit(X)
for params, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"alpha={params['alpha']:<5} {score:.3f} of the variance")
