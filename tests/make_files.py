"""Write tests/data: a file of each estimator, and what it gave, for later versions to read.

Run ``python -m tests.make_files`` for an estimator that is new; ``python -m tests.make_files NAME``
writes a single one. A file that a release has written is never written again: a change of an
estimator's state adds a file beside it, ``NAME-VERSION``, and the old one is upgraded when read.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn

import skae
from skae.architectures import Conv, Custom, Dense, Recurrent, TemporalConv, UNet

FOLDER = Path(__file__).parent / "data"
# Files are to stay small: a few numbers in each layer.
SMALL = {"architecture": Dense((4,)), "max_iter": 2, "random_state": 0}
ESTIMATORS = {
    "Autoencoder": skae.Autoencoder(2, **SMALL),
    "Autoencoder-conv": skae.Autoencoder(
        2, image_shape=(4, 4), **{**SMALL, "architecture": Conv((2,))}
    ),
    "Autoencoder-ordered": skae.Autoencoder(2, ordered=True, **SMALL),
    "Autoencoder-custom": skae.Autoencoder(
        2,
        loss=nn.SmoothL1Loss(),
        **{**SMALL, "architecture": Custom(nn.Linear(16, 2), nn.Linear(2, 16))},
    ),
    "VariationalAutoencoder": skae.VariationalAutoencoder(2, **SMALL),
    "AutoencoderClassifier": skae.AutoencoderClassifier(2, **SMALL),
    "AutoencoderRegressor": skae.AutoencoderRegressor(2, **SMALL),
    "HybridAutoencoder": skae.HybridAutoencoder(2, **SMALL),
    "HybridAutoencoder-distilled": skae.HybridAutoencoder(2, distill=True, **SMALL),
    "ParametricUMAP": skae.ParametricUMAP(2, n_neighbors=5, **SMALL),
    "SequenceAutoencoder": skae.SequenceAutoencoder(2, frame_shape=(4,), **SMALL),
    "SequenceAutoencoder-conv": skae.SequenceAutoencoder(
        2, **{**SMALL, "architecture": TemporalConv((2, 3), hidden_layer_sizes=(4,))}
    ),
    "SequenceAutoencoder-recurrent": skae.SequenceAutoencoder(
        2, frame_shape=(2,), **{**SMALL, "architecture": Recurrent(hidden_size=2)}
    ),
    "SequencePredictor": skae.SequencePredictor(2, frame_shape=(4,), hidden_size=3, **SMALL),
    "ReconstructionOutlierDetector": skae.ReconstructionOutlierDetector(random_state=0),
    "SeriesForecaster": skae.SeriesForecaster(2, n_lags=3),
    "SeriesOutlierDetector": skae.SeriesOutlierDetector(window=4),
    "SeriesOutlierDetector-windows": skae.SeriesOutlierDetector(method="neighbors", window=2),
    "Windows": skae.Windows(3),
    "Denoiser": skae.Denoiser(**SMALL),
    "Denoiser-unet": skae.Denoiser(
        noise_level=(0.1, 0.2), image_shape=(4, 4), **{**SMALL, "architecture": UNet((2, 3))}
    ),
    "TableEncoder": skae.TableEncoder(kinds={0: "categorical"}, max_categories=5),
    "TableAutoencoder": skae.TableAutoencoder(2, numeric_scaling="standard", **SMALL),
    "Pipeline": make_pipeline(skae.Autoencoder(2, **SMALL), LogisticRegression()),
}
METHODS = ("transform", "reconstruct", "predict", "predict_proba", "score_samples")


def rows():
    """Rows that every version of numpy draws alike, with values in [0, 1], and their labels."""
    X = np.random.RandomState(0).uniform(size=(40, 16))
    return X, (X[:, 0] > 0.5).astype(int)


def outputs(estimator):
    """Return what a fitted estimator gives for the rows, by the name of the method."""
    X, _ = rows()
    return {name: getattr(estimator, name)(X) for name in METHODS if hasattr(estimator, name)}


def make(name):
    """Fit an estimator and write its file and its outputs."""
    # The weights of Custom's layers are drawn where they are made, above.
    fitted = ESTIMATORS[name].fit(*rows())
    skae.save(fitted, FOLDER / f"{name}.safetensors")
    np.savez_compressed(FOLDER / f"{name}.npz", **outputs(fitted))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    for each in sys.argv[1:] or ESTIMATORS:
        make(each)
