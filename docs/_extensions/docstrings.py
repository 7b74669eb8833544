"""Docstrings as pages: what reStructuredText would take for markup, and names of scikit-learn.

References to public names of scikit-learn lead to its pages, without reading its inventory, so that
no network is needed; bare names of skae's submodules lead to theirs. Members that estimators have
from scikit-learn, skorch or torch get no entry: their docstrings refer to other guides.
"""

import re

from docutils import nodes
from sphinx.util.nodes import make_refnode

_PAGE = "https://scikit-learn.org/stable/modules/generated/{}.html"
_NAME = re.compile(r"sklearn(\.[a-z]\w*)+\.[A-Za-z]\w*$")
_OTHERS = ("sklearn", "skorch", "torch")
_OF_SKLEARN = {"get_metadata_routing", "get_params", "set_params", "set_output"}
# Shapes such as (n_samples, *image_shape) and (n_features_in_,).
_MARKUP = re.compile(r"(?<=[(\s])\*(?=\w+_shape\b)|(?<=\w)_(?=[,)])")


def setup(app):
    # Before numpydoc, which takes docstrings apart.
    app.connect("autodoc-process-docstring", _escape, priority=100)
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _escape(app, what, name, obj, options, lines):
    lines[:] = [
        line if "`" in line or ">>>" in line else _MARKUP.sub(r"\\\g<0>", line) for line in lines
    ]


def _skip(app, what, name, member, skip, options):
    module = getattr(member, "__module__", None) or ""
    is_inherited = module.partition(".")[0] in _OTHERS or name in _OF_SKLEARN
    return True if is_inherited else None


def _link(app, env, node, content):
    target = node.get("reftarget", "")
    if _NAME.match(target):
        return nodes.reference("", "", content, internal=False, refuri=_PAGE.format(target))
    named = _public_names(env.domains.python_domain.objects, target)
    if len(named) != 1 or node.get("refdoc") is None:
        return None
    (found,) = named
    return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content)


def _public_names(objects, target):
    """Return the classes and functions of a name, such as `Dense` of ``skae.architectures``."""
    return [
        found
        for name, found in objects.items()
        if name.rpartition(".")[2] == target and found.objtype in ("class", "function")
    ]
