"""
What does a component stand for?
================================

PCA has loadings. The components of an autoencoder are not linear, but how strongly each depends on
each feature can be measured: :func:`skae.inspection.component_importances` returns mean absolute
derivatives in units of standard deviations. The data are 13 chemical measurements of Italian
wines.
"""

from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder

X, y = load_wine(return_X_y=True, as_frame=True)
reducer = make_pipeline(StandardScaler(), Autoencoder(3, random_state=0)).fit(X)

# %%
# Which features does each component depend on?

from skae.plotting import ComponentImportancesDisplay

ComponentImportancesDisplay.from_estimator(reducer, X)

# %%
# And which features does each component change, when it is decoded?

ComponentImportancesDisplay.from_estimator(reducer, X, of="decoder")

# %%
# How much does each component matter? The effect is the change of the reconstruction where a
# component changes by its standard deviation.

from skae.inspection import component_activity

print(component_activity(reducer, X).effect.round(1))

# %%
# The three cultivars in the space of the codes. Training has not seen them.

from skae.plotting import LatentSpaceDisplay

LatentSpaceDisplay.from_estimator(reducer, X, y.map(dict(enumerate(["first", "second", "third"]))))
