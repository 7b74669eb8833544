"""Every public name says what it takes, gives and raises, as numpydoc and annotations have it."""

import builtins
import inspect
import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate
from public import PUBLIC
from sklearn import exceptions
from sklearn.decomposition import PCA

import skae
from skae.estimators._base import NetworkEstimator
from skae.estimators._docs import shared_docs

CLASSES = {name: each for name, each in PUBLIC.items() if inspect.isclass(each)}
METHODS = {
    f"{name}.{method}": function
    for name, each in CLASSES.items()
    for method, function in inspect.getmembers(each, inspect.isroutine)
    if not method.startswith("_")
    and (getattr(function, "__module__", None) or "").startswith("skae")
}
ESTIMATORS = {name: each for name, each in CLASSES.items() if hasattr(each, "fit")}
TRAINED = {name: each for name, each in ESTIMATORS.items() if issubclass(each, NetworkEstimator)}
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
    given = names(sections(CLASSES[name])["Parameters"])
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


@pytest.mark.parametrize("name", {**PUBLIC, **METHODS})
def test_numpydoc_finds_every_parameter_and_return_value_described(name):
    found = [each for each in validate(name)["errors"] if each[0] in FAULTS]
    assert not found


def fitted(name):
    """Return an instance after a short fit, with names of columns, on what the class takes."""
    rows = np.random.RandomState(0).normal(size=(40, 4))
    if name == "skae.ReconstructionOutlierDetector":
        return skae.ReconstructionOutlierDetector().fit(pd.DataFrame(rows).add_prefix("x"))
    if name in ("skae.Windows", "skae.SeriesOutlierDetector", "skae.SeriesForecaster"):
        return CLASSES[name]().fit(pd.DataFrame(rows).add_prefix("x"))
    if name == "skae.SequenceAutoencoder":
        unequal = [row[: 2 + i % 3] for i, row in enumerate(rows)]
        return skae.SequenceAutoencoder(2, max_iter=1).fit(unequal)
    if name == "skae.SequencePredictor":
        predictor = skae.SequencePredictor(2, frame_shape=(1, 1), max_iter=1).fit(rows)
        return predictor.calibrate(rows)
    if name == "skae.TableEncoder":
        return skae.TableEncoder().fit(pd.DataFrame(rows).add_prefix("x"))
    if name == "skae.TableAutoencoder":
        table = skae.TableAutoencoder(2, variational=True, max_iter=1)
        return table.fit(pd.DataFrame(rows).add_prefix("x"))
    if name == "skae.Denoiser":
        images = pd.DataFrame(rows).add_prefix("x")
        return skae.Denoiser(image_shape=(2, 2), max_iter=1).fit(images)
    if name == "skae.model_selection.BatchedGridSearchCV":
        autoencoder = skae.Autoencoder(2, max_iter=1)
        search = CLASSES[name](autoencoder, {"alpha": [0.0]}, cv=2)
        return search.fit(pd.DataFrame(rows).add_prefix("x"))
    if name.startswith("skae.model_selection.ResumingHalving"):
        options = {"max_resources": 1, "cv": 2}
        search = CLASSES[name](skae.Autoencoder(2), {"alpha": [0.0]}, **options)
        return search.fit(pd.DataFrame(rows).add_prefix("x"))
    estimator = TRAINED[name](2, image_shape=(2, 2), max_iter=1)
    estimator.set_params(**{"ordered": True} if hasattr(estimator, "ordered") else {})
    table = pd.DataFrame(rows).add_prefix("x")
    more = {"align_to": PCA(2).fit(table)} if name == "skae.HybridAutoencoder" else {}
    return estimator.fit(table, np.arange(40) % 2, **more)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_attribute_that_fit_sets_is_documented_and_no_other(name):
    learned = {each for each in vars(fitted(name)) if each[0] != "_" and each[-1] == "_"}
    documented = set(names(sections(CLASSES[name])["Attributes"]))
    # A sequence of frames of one number has no names of columns.
    assert learned | {"feature_names_in_"} == documented


@pytest.mark.parametrize("name", TRAINED)
def test_alpha_and_early_stopping_begin_with_how_they_differ_from_mlp_regressors(name):
    described = {each.name: " ".join(each.desc) for each in sections(CLASSES[name])["Parameters"]}
    for parameter in ("alpha", "early_stopping"):
        assert "MLPRegressor" in described[parameter].split(". ")[0]


@pytest.mark.parametrize("name", sorted({*TRAINED} - {"skae.TableAutoencoder"}))  # no choice
def test_loss_and_noise_objects_and_custom_architectures_are_mentioned(name):
    documented = inspect.getdoc(CLASSES[name])
    for other in ("skae.losses.Loss", "skae.noises.Noise", "`Custom`"):
        assert other in documented


def test_a_list_of_names_stands_for_the_shared_descriptions():
    class Estimator:
        """Summary.

        Parameters
        ----------
        warm_start, \
                tol
            Shared.
        own : int
            Not shared.
        """

    described = sections(shared_docs(Estimator))["Parameters"]
    assert [(each.name, each.type) for each in described] == [
        ("warm_start", "bool, default=False"),
        ("tol", "float, default=1e-4"),
        ("own", "int"),
    ]
    assert described[0].desc == [
        "Whether `fit` continues training from the weights of the previous call."
    ]


def test_classes_without_docstrings_stay_so():
    class Estimator:
        pass

    # As python -OO leaves every class.
    assert shared_docs(Estimator).__doc__ is None


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_html_view_links_to_the_page_of_the_class(name):
    page = f"https://skae-dev.github.io/skae/generated/{name}.html"
    # A search needs what it searches.
    needed = (skae.Autoencoder(), {}) if name.endswith("SearchCV") else ()
    assert f'href="{page}"' in CLASSES[name](*needed)._repr_html_()


def test_classes_of_others_are_not_said_to_be_documented_here():
    class Mine(skae.Autoencoder):
        pass

    assert Mine()._get_doc_link() == ""


def test_sources_use_the_words_of_the_glossary():
    words = (
        r"tells?|told|gaps?|go(es)? on|what is there|foreign|linear paths?|shares? of|"
        r"cent(red|re)|standardis\w+|normalis\w+|maximis\w+|minimis\w+|behaviour\w*"
    )
    package = Path(skae.__file__).parent
    pages = [
        *package.parent.glob("docs/[!_]*.md"),
        *package.parent.glob("docs/[acg]*/*.md"),
        *package.parent.glob("examples/**/*.py"),
    ]
    used = {
        path.name: match[0]
        for path in [*package.rglob("*.py"), *pages]
        if (match := re.search(rf"\b({words})\b", path.read_text(encoding="utf-8"), re.IGNORECASE))
    }
    assert not used
