"""Steps of torch's optimizers for many models at once, each with a learning rate of its own.

The tensors have shape (n_models, n_weights); rates and decays broadcast with them. The formulas are
those of torch's classes, whose defaults are used.
"""

import math

import torch


def _adam(weights, gradient, rate, decay, group, state):
    _adam_step(weights, gradient.addcmul(weights, decay), rate, group, state)


def _adamw(weights, gradient, rate, decay, group, state):
    weights.mul_(1 - rate * decay)
    _adam_step(weights, gradient, rate, group, state)


def _adam_step(weights, gradient, rate, group, state):
    mean, square = _moments(gradient, group, state)
    first, second = (1 - beta ** state["n_steps"] for beta in group["betas"])
    size = square.sqrt().div_(math.sqrt(second)).add_(group["eps"])
    weights.sub_(mean.div(size).mul_(rate / first))


def _moments(gradient, group, state):
    """Update the running means of the gradient and of its square."""
    beta1, beta2 = group["betas"]
    mean, square = state["mean"], state["square"]
    mean.lerp_(gradient, 1 - beta1)
    square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    return mean, square


def _nadam(weights, gradient, rate, decay, group, state):
    gradient = gradient.addcmul(weights, decay)
    mean, square = _moments(gradient, group, state)
    n_steps, (beta1, beta2) = state["n_steps"], group["betas"]
    now, following = (
        beta1 * (1 - 0.5 * 0.96 ** (n * group["momentum_decay"])) for n in (n_steps, n_steps + 1)
    )
    product = state["product"] = state.get("product", 1.0) * now
    size = square.div(1 - beta2**n_steps).sqrt_().add_(group["eps"])
    weights.sub_(gradient.div(size).mul_(rate * ((1 - now) / (1 - product))))
    weights.sub_(mean.div(size).mul_(rate * (following / (1 - product * following))))


def _rmsprop(weights, gradient, rate, decay, group, state):
    gradient, square = gradient.addcmul(weights, decay), state["square"]
    square.mul_(group["alpha"]).addcmul_(gradient, gradient, value=1 - group["alpha"])
    weights.sub_(gradient.div(square.sqrt().add_(group["eps"])).mul_(rate))


def _sgd(weights, gradient, rate, decay, group, state):
    gradient, mean = gradient.addcmul(weights, decay), state["mean"]
    # Only the first gradient, and Nesterov's look ahead: the two that `OPTIMIZERS` asks for.
    mean.mul_(group["momentum"]).add_(gradient)
    weights.sub_(gradient.add(mean, alpha=group["momentum"]).mul_(rate))


_STEPS = {
    torch.optim.Adam: _adam,
    torch.optim.AdamW: _adamw,
    torch.optim.NAdam: _nadam,
    torch.optim.RMSprop: _rmsprop,
    torch.optim.SGD: _sgd,
}


class StackedOptimizer:
    """The optimizer of all models of a stack.

    Parameters
    ----------
    optimizers : list of torch.optim.Optimizer
        Of one class, each of one model, with groups of its parameters.
    parameters : list of list of Parameter
        Those of each model, in the order of the columns of ``weights``.
    weights : Tensor of shape (n_models, n_weights)
        What is changed.
    """

    def __init__(self, optimizers, parameters, weights):
        self.update = _STEPS[type(optimizers[0])]
        self.group = optimizers[0].param_groups[0]
        self.factors = _by_weight(optimizers, parameters, "rate_factor", weights)
        self.decays = _by_weight(optimizers, parameters, "weight_decay", weights)
        self.state = {
            "n_steps": 0,
            "mean": torch.zeros_like(weights),
            "square": torch.zeros_like(weights),
        }

    @torch.no_grad()
    def step(self, weights, gradient, is_used, rates):
        """Change the weights.

        Parameters
        ----------
        weights, gradient : Tensor of shape (n_models, n_weights)
        is_used : Tensor of shape (n_weights,)
            Zero for weights without gradient, which are not decayed either; otherwise one.
        rates : Tensor of shape (n_models,)
        """
        self.state["n_steps"] += 1
        rate, decay = self.factors * rates[:, None], self.decays * is_used
        self.update(weights, gradient, rate, decay, self.group, self.state)

    def keep(self, places):
        """Forget all models but these."""
        self.factors, self.decays = self.factors[places], self.decays[places]
        for name in ("mean", "square"):
            self.state[name] = self.state[name][places]


def _by_weight(optimizers, parameters, name, weights):
    """Return a number of each parameter's group, for each of its weights."""
    rows = []
    for optimizer, own in zip(optimizers, parameters, strict=True):
        values = {
            p: group.get(name, 1.0) for group in optimizer.param_groups for p in group["params"]
        }
        rows.append(torch.cat([weights.new_full((p.numel(),), values[p]) for p in own]))
    return torch.stack(rows)
