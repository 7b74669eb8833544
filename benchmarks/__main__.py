"""Run the benchmarks and print the figures of each as a table."""

import argparse
import platform

import sklearn
import skorch
import torch

from . import (
    codes,
    defaults,
    denoising,
    forecasts,
    gpu,
    imputation,
    large_images,
    latency,
    maps,
    memory,
    onnx_files,
    outliers,
    overhead,
    peers,
    quality,
    reliability,
    scale,
    scaling,
    searches,
    sequences,
    series,
    sources,
    stability,
    streams,
    trace,
    variational,
)

PARTS = {
    "quality": quality,
    "defaults": defaults,
    "codes": codes,
    "denoising": denoising,
    "forecasts": forecasts,
    "overhead": overhead,
    "peers": peers,
    "scale": scale,
    "scaling": scaling,
    "searches": searches,
    "sequences": sequences,
    "series": series,
    "sources": sources,
    "stability": stability,
    "streams": streams,
    "memory": memory,
    "variational": variational,
    "reliability": reliability,
    "trace": trace,
    "gpu": gpu,
    "large_images": large_images,
    "latency": latency,
    "onnx_files": onnx_files,
    "maps": maps,
    "imputation": imputation,
    "outliers": outliers,
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    parser.add_argument("--seeds", type=int, default=5, help="of streams: seeds of each figure")
    parser.add_argument("--device", default="cuda", help="of gpu: cpu for a small run, to test it")
    parser.add_argument("--rows", type=int, default=10**6, help="of scale: rows of the files")
    parser.add_argument("--features", type=int, default=8, help="of scale: columns of the files")
    parser.add_argument("--only", help="of gpu: names of its parts, with commas")
    options = parser.parse_args()
    arguments = {
        "streams": [options.seeds],
        "gpu": [options.device, options.only],
        "scale": [options.rows, options.features],
    }
    parts = options.parts or PARTS
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, Python "
        f"{platform.python_version()}, torch {torch.__version__}, scikit-learn "
        f"{sklearn.__version__}, skorch {skorch.__version__}\n"
    )
    for part in parts:
        # The others have too many kinds of repetitions for one number.
        show(PARTS[part].measure(*arguments.get(part, [])))


def show(rows):
    """Print rows of (what, value, bound) as they come, below what a part prints of its own."""
    for n_before, (what, value, bound) in enumerate(rows):
        if n_before == 0:
            print("| figure | measured | bound |\n|---|---|---|")
        print(f"| {what} | {value:.3f} | {bound} |", flush=True)
    print()


if __name__ == "__main__":
    main()
