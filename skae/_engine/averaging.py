"""The mean of the weights over the last steps, which is what training hands out."""

import torch
from skorch.callbacks import Callback
from torch.optim.swa_utils import get_ema_multi_avg_fn

# The mean takes in the weights after every so many steps, since each time costs a little. It
# reaches back over about a tenth of what it has taken in so far, and at most over so many.
_EVERY, _SHARE, _MOST = 4, 10, 25


class WeightAverage(Callback):
    """Keep a running mean of the weights, and put it in the module at the end of each epoch.

    The step size keeps the weights at a distance from the minimum that they circle; their mean
    lies nearer to it, and so at any time, not only once the learning rate has come down. Steps
    go on from the weights themselves.

    It has to be the first of the callbacks, so that the others see the mean.

    References
    ----------
    Polyak and Juditsky (1992). Acceleration of stochastic approximation by averaging. SIAM
    Journal on Control and Optimization 30(4).

    Karras et al. (2024). Analyzing and improving the training dynamics of diffusion models. CVPR.
    (Means over a share of the steps so far.)
    """

    def on_train_begin(self, net, **kwargs):
        # What training changes is in single precision; centre and scale of the data are not.
        weights = net.module_.state_dict().values()
        self.weights_ = [weight for weight in weights if weight.dtype == torch.float32]
        self.hidden_ = [torch.clone(weight) for weight in self.weights_]
        self.shows_mean_ = False
        self.n_taken_, self.n_waiting_ = 0, 0

    def on_epoch_begin(self, net, **kwargs):
        self._show(mean=False)

    def on_batch_end(self, net, training, **kwargs):
        self.n_waiting_ += training
        if self.n_waiting_ == _EVERY:
            self._take_in()

    def on_batch_begin(self, net, training, **kwargs):
        if not training:
            self._show(mean=True)

    def on_epoch_end(self, net, **kwargs):
        self._show(mean=True)

    def on_train_end(self, net, **kwargs):
        self._show(mean=True)
        del self.weights_, self.hidden_

    def _take_in(self):
        decay = min((self.n_taken_ + 1) / (self.n_taken_ + _SHARE), 1 - 1 / _MOST)
        get_ema_multi_avg_fn(decay)(self.hidden_, self.weights_, self.n_taken_)
        self.n_taken_ += 1
        self.n_waiting_ = 0

    @torch.no_grad()
    def _show(self, mean):
        """Exchange what is in the module for what is hidden, if it is not the one asked for."""
        if self.shows_mean_ is mean:
            return
        if self.n_waiting_:
            self._take_in()
        for weight, hidden in zip(self.weights_, self.hidden_, strict=True):
            shown = torch.clone(weight)
            weight.copy_(hidden)
            hidden.copy_(shown)
        self.shows_mean_ = mean
