"""Which example of a folder is read first."""

_ORDER = (
    "digits.py",
    "compare.py",
    "code_size.py",
    "components.py",
    "search.py",
    "supervised.py",
    "tumors.py",
    "denoise.py",
    "sample.py",
    "explore.py",
)


class FirstToRead:
    """Sort key of an example, as sphinx-gallery calls it: the named ones first, in their order."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        place = _ORDER.index(filename) if filename in _ORDER else len(_ORDER)
        return place, filename

    def __repr__(self):
        # Part of the settings: an address would make every page a changed one.
        return type(self).__name__
