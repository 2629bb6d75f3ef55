"""Runs `forward` of the benches and other engines in turn on one network and image, all loaded and warm, and prints what
each pass took, the medians as ratios to ours, and how far the results are apart: from those of `torch-f64`, where it is
among the engines (it runs once and is not timed), else from ours."""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys

import numpy as np

SEED = 1
REFERENCE = "torch-f64"


class Engine:
    """A child that answers `run` and `save FILE`."""

    def __init__(self, key, command):
        self.key, self.figures = key, []
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready, _, self.name = self.line().partition(" ")
        if ready != "ready":
            raise SystemExit(f"{key}: expected `ready`, got `{ready} {self.name}`")

    def line(self):
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit(f"{self.key}: ended with status {self.child.wait()}")
        return line.strip()

    def ask(self, text):
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()
        return self.line()

    def run(self):
        return tuple(float(word) for word in self.ask("run").split())

    def end(self):
        self.child.stdin.close()
        self.child.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forward", required=True, help="our program")
    parser.add_argument("--model", required=True, help="Keras weights (.h5)")
    parser.add_argument("--size", required=True, help="X,Y,Z")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--threads", required=True)
    parser.add_argument("--modes", required=True, help="modes of ours, comma separated")
    parser.add_argument("--engines", required=True, help="engines of unet_engine.py, comma separated")
    parser.add_argument("--out", required=True, help="folder for the image and the results")
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    size = [int(n) for n in args.size.split(",")]
    image = out / "image.f32"
    np.random.default_rng(SEED).random(np.prod(size), dtype=np.float32).tofile(image)
    shared = [args.model, str(image), args.size, "--threads", args.threads]
    script = str(pathlib.Path(__file__).with_name("unet_engine.py"))
    engines = [Engine(f"volkit-{mode}", [args.forward, *shared, "--mode", mode]) for mode in args.modes.split(",")]
    engines += [Engine(key, [sys.executable, script, key, *shared]) for key in args.engines.split(",") if key]
    print(f"{args.size}, {args.threads} threads of {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before the first run")
    for engine in engines:
        engine.run()
    print(f"{'run':<4} {'engine':<20} {'CPU s':>8} {'wall s':>8} {'load':>6}", flush=True)
    timed = [engine for engine in engines if engine.key != REFERENCE]
    for run in range(args.runs):
        for engine in timed:
            engine.figures.append(engine.run())
            cpu, wall, _ = engine.figures[-1]
            print(f"{run + 1:<4} {engine.key:<20} {cpu:>8.3f} {wall:>8.3f} {os.getloadavg()[0]:>6.2f}", flush=True)
    results = {}
    for engine in engines:
        engine.ask(f"save {out / engine.key}.f32")
        engine.end()
        results[engine.key] = np.fromfile(out / f"{engine.key}.f32", np.float32).reshape(np.prod(size), -1)
    ours = timed[0]
    reference = next((engine for engine in engines if engine.key == REFERENCE), ours)
    our_cpu, our_wall = (statistics.median(f[i] for f in ours.figures) for i in (0, 1))
    print(f"\nmedians of {args.runs}; ratios are to {ours.key}; the difference is that of posteriors from {reference.key}")
    print("| engine | CPU s | ratio | wall s | ratio | peak MB | largest difference | labels that differ |")
    print("|---|---|---|---|---|---|---|---|")
    for engine in timed:
        cpu, wall = (statistics.median(f[i] for f in engine.figures) for i in (0, 1))
        peak = engine.figures[-1][2] / 1e6
        a, b = results[reference.key], results[engine.key]
        labels = np.count_nonzero(a.argmax(1) != b.argmax(1))
        print(
            f"| {engine.name} | {cpu:.2f} | {cpu / our_cpu:.2f} | {wall:.2f} | {wall / our_wall:.2f} | {peak:.0f} "
            f"| {np.abs(a - b).max():.1e} | {labels} of {len(a)} |"
        )


if __name__ == "__main__":
    main()
