"""Is the variational autoencoder as good as pythae's on images that neither has seen?

Same network (512 units, ReLU, 16 components), epochs, batches, Bernoulli likelihood, and the
same fraction of training images set aside to choose the weights. The bound (ELBO) is computed
here for both, from the same draws, in nats an image: higher is better.
"""

import contextlib
import io
import logging
import tempfile

import numpy as np
import torch

from skae.architectures import Dense
from skae.estimators.variational import VariationalAutoencoder

from .data import mnist_images, split

EPOCHS, BATCH_SIZE, N_COMPONENTS, VALIDATION_FRACTION = 20, 128, 16, 0.1
N_DRAWS = 32
LEARNING_RATES_OF_PYTHAE = (1e-4, 1e-3, 2e-3)  # its default, the usual one, and skae's


def measure():
    """Fit the models of both and return rows of (what, value, bound)."""
    name, images = mnist_images()
    train, test = split(images.reshape(len(images), -1))
    rows, bounds = [], {"skae": [], "pythae": []}
    for who, what, fit, parameters in contestants():
        bound, divergence = evidence_bound(test, *fit(train, **parameters))
        rows.append((f"{name}: ELBO of {who}, {what}, nats", bound, ""))
        rows.append((f"{name}: its divergence (KL), nats", divergence, "> 1"))
        bounds[who].append(bound)
    if not bounds["pythae"]:
        return [*rows, (f"{name}: pythae is not there: pip install pythae", np.nan, "")]
    same, _ = bounds["skae"]
    best = max(bounds["pythae"])
    return [*rows, (f"{name}: ELBO, skae's same network - best of pythae", same - best, "≥ 0")]


def contestants():
    """Yield who, what, the function that fits and its parameters."""
    yield "skae", "the same network", fit_skae, {"linear_skip": False}
    yield "skae", "with a linear path", fit_skae, {"linear_skip": True}
    try:
        import pythae  # noqa: F401
    except ImportError:
        return
    for rate in LEARNING_RATES_OF_PYTHAE:
        yield "pythae", f"learning rate {rate}", fit_pythae, {"learning_rate": rate}


def fit_skae(X, linear_skip):
    """Return posterior and decoder of skae."""
    vae = VariationalAutoencoder(
        N_COMPONENTS,
        architecture=Dense((512,), activation="relu", linear_skip=linear_skip),
        loss="bce",
        batch_size=BATCH_SIZE,
        max_iter=EPOCHS,
        n_iter_no_change=np.inf,
        validation_fraction=VALIDATION_FRACTION,
        random_state=0,
    ).fit(X)
    return vae.posterior, vae.inverse_transform


def fit_pythae(X, learning_rate):
    """Return posterior and decoder of pythae, trained by its own pipeline."""
    from pythae.models import VAE, VAEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    torch.manual_seed(0)
    shape = {"input_dim": X.shape[1:], "latent_dim": N_COMPONENTS}
    model = VAE(VAEConfig(**shape, reconstruction_loss="bce"))
    n_validation = round(VALIDATION_FRACTION * len(X))
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=EPOCHS,
            learning_rate=learning_rate,
            per_device_train_batch_size=BATCH_SIZE,
            per_device_eval_batch_size=BATCH_SIZE,
        )
        pipeline = TrainingPipeline(model=model, training_config=config)
        pipeline(train_data=X[n_validation:], eval_data=X[:n_validation])
        best = VAE.load_from_folder(f"{pipeline.trainer.training_dir}/final_model").eval()
    logging.disable(logging.NOTSET)

    @torch.no_grad()
    def posterior(X):
        code = best.encoder(torch.from_numpy(X))
        return code.embedding.numpy(), torch.exp(code.log_covariance / 2).numpy()

    @torch.no_grad()
    def decode(codes):
        return best.decoder(torch.from_numpy(codes)).reconstruction.flatten(1).numpy()

    return posterior, decode


def evidence_bound(X, posterior, decode):
    """Mean bound of X's log-likelihood and its divergence, in nats."""
    mean, std = posterior(X)
    divergence = ((mean**2 + std**2 - 1) / 2 - np.log(std)).sum(axis=1).mean()
    generator = np.random.default_rng(0)
    likelihoods = []
    for _ in range(N_DRAWS):
        codes = mean + std * generator.standard_normal(mean.shape, dtype=np.float32)
        p = np.clip(decode(codes).astype(np.float64), 1e-7, 1 - 1e-7)
        likelihoods.append((X * np.log(p) + (1 - X) * np.log1p(-p)).sum(axis=1).mean())
    return np.mean(likelihoods) - divergence, divergence
