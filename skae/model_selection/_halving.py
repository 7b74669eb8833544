"""Successive halving over epochs, of which none is trained twice."""

from typing import Any

import numpy as np
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV, HalvingRandomSearchCV

from ._rungs import ResumingMixin


class ResumingHalvingGridSearchCV(ResumingMixin, HalvingGridSearchCV):
    """Grid search by successive halving in which no epoch is trained twice.

    It has the interface of `sklearn.model_selection.HalvingGridSearchCV` with the number of epochs
    as the resource: all candidates are trained for a few epochs, the better third of them for three
    times as many, and so on. There every iteration begins with the first epoch. Here each fit of a
    candidate to a fold continues from where the iteration before has ended: with its weights, their
    mean, the optimizer, the learning rate, early stopping and random numbers.

    Training is planned for the epochs of the last iteration. Scores of the last iteration are those
    of ordinary fits, bit for bit, whatever the learning rate does. Scores of earlier ones are those
    of training that is under way: with ``learning_rate='one_cycle'`` the rate is still high. With
    ``learning_rate='constant'`` they, too, are those of ordinary fits with as many epochs.

    Parameters
    ----------
    estimator : estimator object
        Estimator of skae that trains a network, or one that contains it, such as a Pipeline.
    param_grid : dict or list of dict
        Names of parameters and values to try.
    resource : str, default='max_iter'
        Name of the parameter that is the number of epochs, such as ``'autoencoder__max_iter'`` in a
        Pipeline.
    max_resources : int, default=60
        Epochs of a candidate at most. 60 are the most of ``max_iter='auto'``.
    min_resources : int or {'exhaust', 'smallest'}, default='exhaust'
        Epochs of the first iteration. ``'exhaust'``: so many that the last one gets as near to
        ``max_resources`` as possible; ``'smallest'``: one.
    factor : int or float, default=3
        Candidates are divided by it from iteration to iteration, and epochs multiplied.
    aggressive_elimination : bool, default=False
        Whether to repeat the first iteration without further epochs, eliminating candidates, if
        ``max_resources`` does not suffice for all of them.
    cv : int, cross-validation generator or iterable, default=5
        Folds, the same at every call.
    scoring : str or callable, default=None
        How to judge predictions on held-out data: a single number.
    refit : bool or callable, default=True
        Whether to fit the best candidate of the last iteration to all data, from its first epoch.
    error_score : 'raise' or float, default=nan
        Score of a fit that fails.
    return_train_score : bool, default=True
        Whether to score on the training data as well.
    random_state : int, RandomState instance or None, default=None
        Seed that scikit-learn uses for other resources only.
    n_jobs : int, default=None
        Processes, which have to share the folder of temporary files.
    verbose : int, default=0
        How much to print.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        As of `HalvingGridSearchCV`, with ``iter`` and ``n_resources``. Times are those of the
        epochs that an iteration added.
    n_resources_, n_candidates_ : list of int
        Epochs and number of candidates of each iteration.
    n_remaining_candidates_ : int
        Candidates that are left after the last iteration.
    n_iterations_, n_required_iterations_, n_possible_iterations_ : int
        Number of iterations: made, needed for all candidates, and allowed by ``max_resources``.
    min_resources_, max_resources_ : int
        Epochs of the first iteration, and the limit.
    best_estimator_ : estimator
        Fitted on all data in the ordinary way.
    best_score_ : float
        Mean score of the best candidate of the last iteration.
    best_params_ : dict
        Parameters of the best candidate, with the epochs of the last iteration.
    best_index_ : int
        Its index in ``cv_results_``.
    scorer_ : callable
        Function that judged.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds of the fit of the best candidate.
    multimetric_ : bool
        False.
    feature_names_in_ : ndarray of str
        Names of the columns of X, if it has names.

    See Also
    --------
    skae.model_selection.ResumingHalvingRandomSearchCV : With random values.
    sklearn.model_selection.HalvingGridSearchCV : For all estimators and resources.

    Notes
    -----
    Training pauses in temporary files (`tempfile`), which take about five times the weights of each
    candidate and fold; those of eliminated candidates are removed. A fit is recognized by its
    parameters and rows: if these differ from those of the iteration before, as after a step of a
    Pipeline that draws without a seed, training begins anew. Callbacks of the user begin anew in
    each iteration, except skorch's EarlyStopping and LRScheduler. ``checkpoint`` serves the fit to
    all data only.

    References
    ----------
    Jamieson and Talwalkar (2016). Non-stochastic best arm identification and hyperparameter
    optimization. AISTATS.

    Li et al. (2018). Hyperband: a novel bandit-based approach to hyperparameter optimization.
    Journal of Machine Learning Research 18.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.architectures import Dense
    >>> from skae.model_selection import ResumingHalvingGridSearchCV
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, architecture=Dense((16,)), random_state=0)
    >>> grid = {"learning_rate_init": [0.001, 0.003, 0.01], "alpha": [0.0, 0.5, 1.0]}
    >>> search = ResumingHalvingGridSearchCV(autoencoder, grid, max_resources=18, cv=3).fit(X[:300])
    >>> search.n_candidates_, search.n_resources_
    ([9, 3, 1], [2, 6, 18])
    >>> bool(search.best_score_ > 0.5)
    True
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        factor: float = 3,
        resource: str = "max_iter",
        max_resources: int = 60,
        min_resources: int | str = "exhaust",
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )


class ResumingHalvingRandomSearchCV(ResumingMixin, HalvingRandomSearchCV):
    """Random search by successive halving in which no epoch is trained twice.

    It is `ResumingHalvingGridSearchCV`, which explains how, with the interface of
    `sklearn.model_selection.HalvingRandomSearchCV`.

    Parameters
    ----------
    estimator : estimator object
        Estimator of skae that trains a network, or one that contains it, such as a Pipeline.
    param_distributions : dict or list of dict
        Names of parameters, and lists or distributions (with ``rvs``) to draw their values from.
    n_candidates : int or 'exhaust', default='exhaust'
        Number of candidates of the first iteration. ``'exhaust'``: as many as ``max_resources``
        allows for.
    resource : str, default='max_iter'
        Name of the parameter that is the number of epochs, such as ``'autoencoder__max_iter'`` in a
        Pipeline.
    max_resources : int, default=60
        Epochs of a candidate at most. 60 are the most of ``max_iter='auto'``.
    min_resources : int or {'exhaust', 'smallest'}, default='smallest'
        Epochs of the first iteration. ``'smallest'``: one; ``'exhaust'``: so many that the last
        iteration gets as near to ``max_resources`` as possible.
    factor : int or float, default=3
        Candidates are divided by it from iteration to iteration, and epochs multiplied.
    aggressive_elimination : bool, default=False
        Whether to repeat the first iteration without further epochs, eliminating candidates, if
        ``max_resources`` does not suffice for all of them.
    cv : int, cross-validation generator or iterable, default=5
        Folds, the same at every call.
    scoring : str or callable, default=None
        How to judge predictions on held-out data: a single number.
    refit : bool or callable, default=True
        Whether to fit the best candidate of the last iteration to all data, from its first epoch.
    error_score : 'raise' or float, default=nan
        Score of a fit that fails.
    return_train_score : bool, default=True
        Whether to score on the training data as well.
    random_state : int, RandomState instance or None, default=None
        Seed of the values that are drawn.
    n_jobs : int, default=None
        Processes, which have to share the folder of temporary files.
    verbose : int, default=0
        How much to print.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        As of `HalvingRandomSearchCV`, with ``iter`` and ``n_resources``. Times are those of the
        epochs that an iteration added.
    n_resources_, n_candidates_ : list of int
        Epochs and number of candidates of each iteration.
    n_remaining_candidates_ : int
        Candidates that are left after the last iteration.
    n_iterations_, n_required_iterations_, n_possible_iterations_ : int
        Number of iterations: made, needed for all candidates, and allowed by ``max_resources``.
    min_resources_, max_resources_ : int
        Epochs of the first iteration, and the limit.
    best_estimator_ : estimator
        Fitted on all data in the ordinary way.
    best_score_ : float
        Mean score of the best candidate of the last iteration.
    best_params_ : dict
        Parameters of the best candidate, with the epochs of the last iteration.
    best_index_ : int
        Its index in ``cv_results_``.
    scorer_ : callable
        Function that judged.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds of the fit of the best candidate.
    multimetric_ : bool
        False.
    feature_names_in_ : ndarray of str
        Names of the columns of X, if it has names.

    See Also
    --------
    skae.model_selection.ResumingHalvingGridSearchCV : With a grid.
    sklearn.model_selection.HalvingRandomSearchCV : For all estimators and resources.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.architectures import Dense
    >>> from skae.model_selection import ResumingHalvingRandomSearchCV
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, architecture=Dense((16,)), random_state=0)
    >>> distributions = {"learning_rate_init": loguniform(0.001, 0.01)}
    >>> search = ResumingHalvingRandomSearchCV(
    ...     autoencoder, distributions, n_candidates=9, min_resources=2, max_resources=18, cv=3,
    ...     random_state=0,
    ... ).fit(X[:300])
    >>> search.n_candidates_, search.n_resources_
    ([9, 3, 1], [2, 6, 18])
    >>> bool(search.best_score_ > 0.5)
    True
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_candidates: int | str = "exhaust",
        factor: float = 3,
        resource: str = "max_iter",
        max_resources: int = 60,
        min_resources: int | str = "smallest",
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
