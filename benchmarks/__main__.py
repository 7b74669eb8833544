"""Run the benchmarks and print their figures as one table."""

import argparse
import platform

import sklearn
import skorch
import torch

from . import defaults, memory, overhead, quality, reliability, scaling, variational

PARTS = {
    "quality": quality,
    "defaults": defaults,
    "overhead": overhead,
    "scaling": scaling,
    "memory": memory,
    "variational": variational,
    "reliability": reliability,
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    parts = parser.parse_args().parts or PARTS
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, Python "
        f"{platform.python_version()}, torch {torch.__version__}, scikit-learn "
        f"{sklearn.__version__}, skorch {skorch.__version__}\n"
    )
    print("| figure | measured | asked |\n|---|---|---|")
    for part in parts:
        for what, value, asked in PARTS[part].measure():
            print(f"| {what} | {value:.3f} | {asked} |", flush=True)


if __name__ == "__main__":
    main()
