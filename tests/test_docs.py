"""Every public name says what it takes, gives and raises, as numpydoc and annotations have it."""

import builtins
import dataclasses
import inspect
import re
import textwrap

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate
from sklearn import exceptions

import skae
from skae import architectures, datasets, losses, metrics, noises, plotting

PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (skae, architectures, datasets, losses, metrics, noises, plotting)
    for name in module.__all__
    if callable(getattr(module, name))
}
CLASSES = {name: each for name, each in PUBLIC.items() if inspect.isclass(each)}
METHODS = {
    f"{name}.{method}": function
    for name, each in CLASSES.items()
    for method, function in inspect.getmembers(each, inspect.isroutine)
    if not method.startswith("_")
    and (getattr(function, "__module__", None) or "").startswith("skae")
}
CALLABLES = {name: each for name, each in PUBLIC.items() if name not in CLASSES} | METHODS


def sections(documented):
    return NumpyDocString(textwrap.dedent(inspect.getdoc(documented)))


def names(entries):
    """Names of parameters, of which several may share an entry."""
    return [name.strip() for entry in entries for name in re.split(r",\s", entry.name)]


def in_signature(documented):
    parameters = inspect.signature(documented).parameters.values()
    stars = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
    return [stars.get(each.kind, "") + each.name for each in parameters if each.name != "self"]


@pytest.mark.parametrize("name", {**PUBLIC, **METHODS})
def test_the_first_line_is_a_sentence(name):
    documented = {**PUBLIC, **METHODS}[name]
    (first,) = sections(documented)["Summary"]
    assert first[0].isupper()
    assert first.endswith((".", ".)"))


@pytest.mark.parametrize("name", CALLABLES)
def test_the_parameters_of_functions_are_documented_in_their_order(name):
    documented = sections(CALLABLES[name])
    given = names(documented["Parameters"])
    assert given == in_signature(CALLABLES[name])


@pytest.mark.parametrize("name", CLASSES)
def test_the_parameters_of_classes_are_all_documented(name):
    section = "Attributes" if dataclasses.is_dataclass(CLASSES[name]) else "Parameters"
    given = names(sections(CLASSES[name])[section])
    assert sorted(given) == sorted(in_signature(CLASSES[name]))


@pytest.mark.parametrize("name", CALLABLES)
def test_what_functions_return_is_documented_unless_it_is_nothing(name):
    returned = inspect.signature(CALLABLES[name]).return_annotation
    documented = sections(CALLABLES[name])["Returns"]
    assert bool(documented) == (returned is not None)


@pytest.mark.parametrize("name", CALLABLES)
def test_what_functions_raise_is_documented(name):
    documented = sections(CALLABLES[name])["Raises"]
    if re.search(r"^\s+raise ", inspect.getsource(CALLABLES[name]), flags=re.MULTILINE):
        assert documented
    for entry in documented:
        for kind in entry.type.split(", "):
            assert issubclass(getattr(builtins, kind, getattr(exceptions, kind, None)), Exception)


@pytest.mark.parametrize("name", CALLABLES)
def test_arrays_are_documented_with_their_shape(name):
    documented = sections(CALLABLES[name])
    for entry in documented["Parameters"] + documented["Returns"]:
        if re.match(r"(array-like|ndarray)", entry.type):
            assert re.search(r"of (the )?(same )?shape|as y in `fit`", entry.type), entry


@pytest.mark.parametrize("name", CALLABLES)
def test_functions_are_annotated(name):
    signature = inspect.signature(CALLABLES[name])
    assert signature.return_annotation is not inspect.Signature.empty
    bare = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is inspect.Parameter.empty and parameter.name != "self"
    ]
    assert not bare


@pytest.mark.parametrize("name", PUBLIC)
def test_classes_and_functions_have_an_example(name):
    assert ">>> " in "\n".join(sections(PUBLIC[name])["Examples"])


# Parameters that are undocumented, unknown or without a type or a description; returned values
# without a description.
FAULTS = {"PR01", "PR02", "PR04", "PR07", "RT03"}
REVIEWED = ("skae.compar", "skae.Compar", "skae.metrics", "skae.plotting", "skae.datasets")


@pytest.mark.parametrize(
    "name",
    [name for name in {**PUBLIC, **METHODS} if name.startswith(REVIEWED)],
)
def test_numpydoc_finds_every_parameter_and_return_value_described(name):
    found = [each for each in validate(name)["errors"] if each[0] in FAULTS]
    assert not found
