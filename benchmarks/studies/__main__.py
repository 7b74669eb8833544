"""Repeat the studies of the field and print what was asked and what was reached.

Each study is a module of this folder; run alone, it tells its story and draws its picture. The
figures of a full run are kept in README.md beside this file.

    python -m benchmarks.studies --quick
    SKAE_DATA=/where/the/data/are python -m benchmarks.studies arena brain_mri
"""

import argparse
import importlib

STUDIES = (
    "arena",
    "brain_mri",
    "colour_crops",
    "colour_scenes",
    "fashion_conv",
    "healing_images",
    "healing_sequences",
    "hybrid_umap",
    "incomplete_table",
    "joint_classifier_mnist",
    "odd_series",
    "outliers",
    "variational_mnist",
)


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("studies", nargs="*", choices=[*STUDIES, []], help="all by default")
    parser.add_argument("--quick", action="store_true", help="fewer images and epochs")
    arguments = parser.parse_args(argv)
    print("| study | figure | asked | reached |\n|---|---|---|---|", flush=True)
    for name in arguments.studies or STUDIES:
        study = importlib.import_module(f".{name}", __package__)
        for what, reached, asked in study.measure(quick=arguments.quick):
            shown = reached if isinstance(reached, int) else f"{reached:.4g}"
            print(f"| {name} | {what} | {asked} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
