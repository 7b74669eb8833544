"""
The next frames of a sequence
=============================

:class:`skae.SequencePredictor` learns to predict each frame of a sequence from the frames before
it. The sequences show digits that rotate by a constant angle, different in each sequence.
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skae import SequencePredictor
from skae.datasets import make_healing_sequences

images = load_digits().images / 16
sequences = make_healing_sequences(images, n_timesteps=8, square=0, random_state=0)
train, test = train_test_split(sequences, random_state=0)
print(train.shape)

# %%
# Training takes whole sequences.

predictor = SequencePredictor(
    24, hidden_size=128, architecture="dense", max_iter=15, random_state=0
).fit(train)

# %%
# `predict` returns the frame after the last one. Its error, beside that of repeating the last
# frame:

import numpy as np

known, truth = test[:, :-1], test[:, -1]
print(f"repetition  {np.mean((known[:, -1] - truth) ** 2):.4f}")
print(f"predicted   {np.mean((predictor.predict(known) - truth) ** 2):.4f}")

# %%
# `forecast` continues a sequence, each predicted frame being the input of the next step. The first
# five frames are known.

from skae.plotting import ForecastDisplay

ForecastDisplay.from_estimator(predictor, test[1, :5], n_steps=3, truth=test[1, 5:])
