"""Runs `synthseg` and `meshnet_torch.py` in turn on one scan and prints what each took and how far they agree."""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

import nibabel
import numpy as np


def measured(command):
    """Runs a command; CPU seconds, wall seconds and peak resident megabytes of it and its children."""
    begun = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{command[0]}: ended with status {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    per_unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * per_unit / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("synthseg", "model", "image", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--threads", required=True)
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    paths = {"volkit": str(out / "volkit.nii.gz"), "pytorch": str(out / "pytorch.nii.gz")}
    commands = {
        "volkit": [args.synthseg, "--i", args.image, "--model", args.model, "--o", paths["volkit"], "--threads", args.threads],
        "pytorch": [
            sys.executable, str(pathlib.Path(__file__).with_name("meshnet_torch.py")), "--image", args.image,
            "--model", args.model, "--out", paths["pytorch"], "--threads", args.threads,
        ],
    }  # fmt: skip
    print(f"{os.cpu_count()} cores, {args.threads} threads, load {os.getloadavg()[0]:.2f} before the first run")
    print(f"{'run':<4} {'program':<8} {'CPU s':>8} {'wall s':>8} {'peak MB':>8} {'load':>6}", flush=True)
    taken = {name: [] for name in commands}
    for run in range(args.runs):
        for name, command in commands.items():
            figures = measured(command)
            taken[name].append(figures)
            cpu, wall, peak = figures
            print(f"{run + 1:<4} {name:<8} {cpu:>8.1f} {wall:>8.1f} {peak:>8.0f} {os.getloadavg()[0]:>6.2f}", flush=True)
    for index, what in enumerate(["CPU seconds", "wall seconds", "peak memory"]):
        ours, theirs = (statistics.median(f[index] for f in taken[name]) for name in ("volkit", "pytorch"))
        print(f"{what}: volkit / pytorch = {ours / theirs:.3f} (medians {ours:.1f} and {theirs:.1f})")
    a, b = (np.asarray(nibabel.load(path).dataobj) for path in paths.values())
    if a.shape != b.shape:
        raise SystemExit(f"shapes differ: volkit {a.shape}, pytorch {b.shape}")
    print(f"labels: {np.count_nonzero(a != b)} of {a.size} voxels differ")


if __name__ == "__main__":
    main()
