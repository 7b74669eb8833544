"""The family that docs/extending.md shows is an estimator as good as skae's own."""

import importlib.util
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

GUIDE = Path(__file__).parent.parent / "docs" / "extending.md"


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """The code of the guide's family as a module, without what it prints."""
    section = GUIDE.read_text(encoding="utf-8").partition("## A family")[2]
    lines = re.findall(r"^(?:>>>|\.\.\.) ?(.*)$", section, flags=re.MULTILINE)
    code = "\n".join(lines).partition("plain, sparse")[0]
    path = tmp_path_factory.mktemp("guide") / "sparse_family.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("sparse_family", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sparse_family", module)
        spec.loader.exec_module(module)
        yield module


def test_the_family_of_the_guide_passes_the_checks_of_scikit_learn(family):
    results = check_estimator(family.SparseAutoencoder(max_iter=5), on_skip=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}


def test_the_family_of_the_guide_survives_a_pickle(family, digits):
    fitted = family.SparseAutoencoder(2, max_iter=2, random_state=0).fit(digits)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(digits), fitted.transform(digits))
