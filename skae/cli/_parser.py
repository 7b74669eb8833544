"""The arguments of the commands, with their help."""

import argparse
from pathlib import Path

_DATA = """
DATA is a CSV or Parquet file of a table, an .npy or .npz file of rows or images, or a folder of
images of one size. Columns of tables are standardized, categories and dates become numbers. Rows
of other files are taken as they are.
"""
_EXIT = "Exit status: 0, 1 if the command failed, 2 if its arguments are wrong."


def make_parser(version: str) -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="skae",
        description="Autoencoders beside PCA and UMAP, on files.",
        epilog=_EXIT,
    )
    parser.add_argument("--version", action="version", version=f"skae {version}")
    # Required, which argparse does not make them: without a command there is nothing to do.
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_compare(commands)
    _add_outliers(commands)
    _add_embed(commands)
    return parser


# In quotes here and below: only the stubs of argparse have this class as a generic one.
def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _add_command(
        commands, "compare", "Compare PCA, UMAP and autoencoders on held-out rows."
    )
    command.add_argument(
        # Not a single number: several sizes are compared, and the report draws the error over them.
        "--components", type=_positive, nargs="+", default=[16], metavar="N",
        help="size or sizes of the code (default: 16, or the number of features if that is less)",
    )  # fmt: skip
    command.add_argument("--folds", type=int, metavar="K", help="folds of a cross-validation")
    command.add_argument(
        "--jobs", type=int, metavar="N", help="processes, -1 for all processors (default: 1)"
    )
    for name in ("html", "json", "markdown"):
        command.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write a {name} report")


def _add_outliers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _add_command(
        commands, "outliers", "Find rows unlike the others, with the columns that make them so."
    )
    command.add_argument(
        "--train", metavar="DATA", help="fit on the rows of this file (default: on DATA itself)"
    )
    command.add_argument(
        # Not a contamination: conformal p-values make the rate hold for new rows as well.
        "--rate", type=_fraction, default=0.05, metavar="FRACTION",
        help="false-positive rate: fraction of normal rows to report (default: 0.05)",
    )  # fmt: skip
    command.add_argument("--top", type=_positive, default=20, metavar="N", help="rows to print")
    command.add_argument("--out", type=Path, metavar="FILE", help="write all scores: CSV, Parquet")


def _add_embed(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _add_command(commands, "embed", "Write the codes of all rows.")
    command.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="CSV, Parquet, .npy or .npz"
    )
    command.add_argument(
        "--components", type=_positive, default=2, metavar="N", help="size of the code (default: 2)"
    )
    command.add_argument(
        "--reducer", choices=["autoencoder", "variational", "pca", "umap"], default="autoencoder"
    )
    command.add_argument(
        "--save", type=Path, metavar="FILE", help="save the fitted reducer as well"
    )


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str
) -> argparse.ArgumentParser:
    """Add a command with the arguments that all share."""
    command = commands.add_parser(name, help=what, description=what + _DATA, epilog=_EXIT)
    command.add_argument("data", metavar="DATA", help="file or folder")
    command.add_argument(
        "--label", metavar="NAME",
        help="column of classes, array of classes within an .npz file, or 'folder' for the folders "
        "that images are in; no part of the data",
    )  # fmt: skip
    command.add_argument(
        "--drop", nargs="+", default=[], metavar="COLUMN", help="columns to leave out"
    )
    # Not None: the same command writes the same file.
    command.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    command.add_argument("--quiet", action="store_true", help="no progress bar on a terminal")
    command.add_argument("--traceback", action="store_true", help="show where an error arose")
    return command


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        # argparse adds the name of the argument and ends with status 2, before any file is read.
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, got {text}")
    return value
