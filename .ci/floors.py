"""Print the lower bound of every dependency as a pip constraint, and torch's tested version."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def floors():
    """Yield lines such as ``numpy==1.26``, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    for requirement in sum(extras, project["dependencies"]):
        bounded = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement)
        # An older torch is not worth its gigabytes: see pyproject.toml.
        if bounded and bounded[1] != "torch":
            yield f"{bounded[1]}=={bounded[2]}"


def tested_torch():
    """Return the line of constraints.txt that names torch."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch=="))


if __name__ == "__main__":
    print(*floors(), tested_torch(), sep="\n")
