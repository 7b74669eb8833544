"""The check of an estimator's parameters: misplaced objects get a hint to where they belong."""

from typing import Any

from .._sklearn_compat import HasMethods, InvalidParameterError, StrOptions, make_constraint
from ._docs import DocLinkMixin

# Names and methods: what only some parameters take, unlike numbers or any callable.
_SPECIFIC = (HasMethods, StrOptions)


class ObjectsWith(HasMethods):
    """Constraint of a parameter that takes objects by their methods, which their class has too."""

    def is_satisfied_by(self, val: Any) -> bool:
        return not isinstance(val, type) and super().is_satisfied_by(val)


class CheckedMixin(DocLinkMixin):
    """Validation of parameters that says where misplaced ones belong."""

    def _validate_params(self) -> None:
        try:
            super()._validate_params()  # type: ignore[misc]
        except InvalidParameterError as error:
            raise with_hint(error, self) from None


def with_hint(error: InvalidParameterError, estimator: Any) -> InvalidParameterError:
    """Return an error of scikit-learn's about a parameter, with the place of its value if known."""
    hint = _hint(estimator)
    return InvalidParameterError(f"{error} {hint}") if hint else error


def _constraints(estimator: Any) -> dict[str, list[Any]]:
    """Return the constraints of the parameters that are validated by scikit-learn."""
    constraints = estimator._parameter_constraints
    return {name: each for name, each in constraints.items() if isinstance(each, list)}


def _hint(estimator: Any) -> str:
    """Return where the first misplaced value belongs; an empty text where that is not known."""
    constraints = _constraints(estimator)
    # In the order in which scikit-learn looks at them.
    for name, value in estimator.get_params(deep=False).items():
        if name not in constraints or _accepts(constraints[name], value):
            continue
        places = [other for other in constraints if _is_meant_for(constraints[other], value)]
        # Several take 'auto'.
        if len(places) == 1:
            takes, shown = "it", repr(value)
            if isinstance(value, type):
                takes, shown = "an object of it", f"{value.__name__}(...)"
            given = f"{type(estimator).__name__}({places[0]}={shown})"
            return f"{places[0]} takes {takes}: {given}."
    return ""


def _accepts(constraints: list[Any], value: Any) -> bool:
    return any(make_constraint(each).is_satisfied_by(value) for each in constraints)


def _is_meant_for(constraints: list[Any], value: Any) -> bool:
    if isinstance(value, type):
        methods = [each.methods for each in constraints if isinstance(each, HasMethods)]
        return any(all(hasattr(value, name) for name in names) for names in methods)
    return _accepts([each for each in constraints if isinstance(each, _SPECIFIC)], value)
