"""Is skae's variational autoencoder as good as pythae's on images it has not seen?

The same network (784-512-16-512-784, ReLU), epochs, batches, training and validation images
(800 of 8,000 choose the weights that are kept), Bernoulli likelihood. The bound is computed
here for all, from the same draws, in nats an image; higher is better. pythae (`pip install
pythae`) is left out where it is not installed.

    python benchmarks/variational.py --epochs 50
"""

import argparse
import contextlib
import io
import logging
import tempfile
import time

import numpy as np
import torch
from sklearn.model_selection import train_test_split

from skae.architectures import Dense
from skae.datasets import load_mnist
from skae.estimators.variational import VariationalAutoencoder

N_COMPONENTS, BATCH_SIZE, N_VALIDATION, N_DRAWS = 16, 128, 800, 32


def fit_skae(X, epochs, seed, **parameters):
    """Return posterior and decoder of skae, with the defaults but for ``parameters``."""
    linear_path = parameters.pop("linear_path", True)
    vae = VariationalAutoencoder(
        N_COMPONENTS,
        architecture=Dense((512,), activation="relu", linear_path=linear_path),
        loss="bce",
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        n_iter_no_change=np.inf,
        validation_fraction=N_VALIDATION / len(X),
        random_state=seed,
        **parameters,
    ).fit(X)
    return vae.posterior, vae.inverse_transform


def fit_pythae(X, epochs, seed, learning_rate):
    """Return posterior and decoder of pythae's VAE, trained by its own pipeline."""
    from pythae.models import VAE, VAEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    torch.manual_seed(seed)
    shape = {"input_dim": X.shape[1:], "latent_dim": N_COMPONENTS}
    model = VAE(VAEConfig(**shape, reconstruction_loss="bce"))
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            learning_rate=learning_rate,
            per_device_train_batch_size=BATCH_SIZE,
            per_device_eval_batch_size=BATCH_SIZE,
            seed=seed,
        )
        pipeline = TrainingPipeline(model=model, training_config=config)
        pipeline(train_data=X[N_VALIDATION:], eval_data=X[:N_VALIDATION])
        best = VAE.load_from_folder(f"{pipeline.trainer.training_dir}/final_model").eval()
    logging.disable(logging.NOTSET)

    def posterior(X):
        with torch.no_grad():
            code = best.encoder(torch.from_numpy(X))
            return code.embedding.numpy(), torch.exp(code.log_covariance / 2).numpy()

    def decode(codes):
        with torch.no_grad():
            return best.decoder(torch.from_numpy(codes)).reconstruction.flatten(1).numpy()

    return posterior, decode


def evidence_bound(X, posterior, decode):
    """Mean log-likelihood of X given drawn codes, and mean divergence, in nats an image."""
    mean, std = posterior(X)
    divergence = (mean**2 + std**2 - 1) / 2 - np.log(std)
    random_state = np.random.RandomState(0)
    likelihoods = []
    for _ in range(N_DRAWS):
        draw = random_state.standard_normal(mean.shape).astype(np.float32)
        decoded = np.clip(decode(mean + std * draw), 1e-7, 1 - 1e-7).astype(np.float64)
        likelihood = X * np.log(decoded) + (1 - X) * np.log1p(-decoded)
        likelihoods.append(likelihood.sum(axis=1).mean())
    return np.mean(likelihoods), divergence.sum(axis=1).mean()


CONTESTANTS = {
    "skae": (fit_skae, {}),
    "skae, no linear path": (fit_skae, {"linear_path": False}),
    "pythae": (fit_pythae, {"learning_rate": 1e-4}),
    "pythae, learning rate 0.001": (fit_pythae, {"learning_rate": 1e-3}),
    "pythae, learning rate 0.002": (fit_pythae, {"learning_rate": 2e-3}),
}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=50, help="passes over the images")
    parser.add_argument("--seeds", type=int, default=1, help="fits of each model")
    arguments = parser.parse_args(argv)
    images = load_mnist(return_X_y=True)[0][-10_000:].astype(np.float32) / 255
    X, X_test = train_test_split(images, train_size=8000, test_size=2000, random_state=0)
    print(f"{'':30}{'ELBO':>9}{'likelihood':>12}{'KL':>7}{'fit':>8}")
    for name, (fit, parameters) in CONTESTANTS.items():
        for seed in range(arguments.seeds):
            started = time.perf_counter()
            try:
                model = fit(X, arguments.epochs, seed, **parameters)
            except ModuleNotFoundError as error:
                print(f"{name:30}left out: {error} (pip install pythae)")
                break
            seconds = time.perf_counter() - started
            likelihood, divergence = evidence_bound(X_test, *model)
            bound = likelihood - divergence
            print(f"{name:30}{bound:9.2f}{likelihood:12.2f}{divergence:7.2f}{seconds:6.0f} s")


if __name__ == "__main__":
    main()
