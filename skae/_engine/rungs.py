"""Training that pauses at each rung of a successive halving, and continues from there."""

from pathlib import Path

import joblib

from .callbacks import StopTraining
from .checkpoint import Checkpoint, identify, resume


class Rung(int):
    """Number of epochs after which training pauses: what a search gives as ``max_iter``.

    It compares, prints and computes as the number, and parameters hand it on through Pipelines,
    clones and processes.

    Parameters
    ----------
    n_epochs : int
        Epochs since the start of training, those of earlier rungs included.
    n_planned : int
        Epochs of the last rung: training is planned for them, such as its learning rates.
    folder : str
        Where training pauses, in a file for each fit of the candidate.
    """

    def __new__(cls, n_epochs, n_planned, folder):
        rung = super().__new__(cls, n_epochs)
        rung.n_planned, rung.folder = n_planned, folder
        return rung

    def __getnewargs__(self):
        # With which copies and pickles are made.
        return int(self), self.n_planned, self.folder


def open_rung(rung, parameters, training_set):
    """Begin the training of a candidate, or continue it from the rung before.

    Parameters
    ----------
    rung : Rung
    parameters : dict
        Those of the estimator.
    training_set : TrainingSet

    Returns
    -------
    pause : Pause

    Raises
    ------
    FileNotFoundError
        If this process does not have the folder.
    """
    if not Path(rung.folder).is_dir():
        raise FileNotFoundError(
            f"Training pauses in {rung.folder}, which this process does not have: the processes of "
            "a search must share the folder of temporary files, which the environment variable "
            "TMPDIR names."
        )
    # The same at every rung. The hash of the data distinguishes folds.
    identity = identify({**parameters, "max_iter": rung.n_planned}, training_set)
    pause = resume(Pause, Path(rung.folder, joblib.hash(identity)), identity)
    pause.n_epochs = int(rung)
    return pause


class Pause(Checkpoint):
    """Write the state of training at the end of a rung, and continue from it at the next one."""

    n_epochs = None

    def on_train_begin(self, net, **kwargs):
        is_over = self.state is not None and self.state["is_over"]
        super().on_train_begin(net)
        if is_over:
            # They are final: what the mean and the best ones were made of is gone.
            dict(net.callbacks_)["best_weights"].remember(net)
        # As where the epochs of a rung are those of the rung before.
        self.is_paused = len(net.history) == self.n_epochs
        if is_over or self.is_paused:
            net.max_epochs = len(net.history)

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.n_epochs:
            self._write(net, is_over=False)
            self.is_paused = True
            raise StopTraining

    def on_train_end(self, net, **kwargs):
        # Training ended by itself, as by early stopping: later rungs find the final weights.
        if not self.is_paused and net.interrupt is None:
            self._write(net, is_over=True)
