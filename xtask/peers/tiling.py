"""Runs `net-forward` of the benches beside PyTorch and MONAI on the network 16-32-64-32-1 and images of noise, directly and
tile by tile, in turn, and prints the medians, their ratios to ours, and how far the results are from PyTorch's."""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from safetensors.torch import save_file
from unet import SEED, Engine

CHANNELS = [16, 32, 64, 32, 1]


def weights(path):
    torch.manual_seed(SEED)
    state = {}
    for i, (c_in, c_out) in enumerate(zip(CHANNELS, CHANNELS[1:])):
        layer = torch.nn.Conv2d(c_in, c_out, 3, padding=1)
        state |= {f"{2 * i}.{name}": tensor.detach().contiguous() for name, tensor in layer.state_dict().items()}
    save_file(state, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forward", required=True, help="our program")
    parser.add_argument("--merge", required=True, help="our program that times tiling alone")
    parser.add_argument("--sizes", required=True, help="lengths of square images, comma separated")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--threads", required=True)
    parser.add_argument("--modes", required=True, help="modes of ours, comma separated")
    parser.add_argument("--out", required=True, help="folder for images and results")
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    weights(out / "net.safetensors")
    script = str(pathlib.Path(__file__).with_name("tiling_engine.py"))
    print("| image | what | CPU s | ratio to ours, same way | wall s | peak MB | largest difference |")
    print("|---|---|---|---|---|---|---|")
    for n in (int(n) for n in args.sizes.split(",")):
        compare(n, args, out, script)
    compare_merges(args)


def compare_merges(args):
    """An identity through the Gaussian window, overlap 1/4: the least CPU seconds of all runs, ours and MONAI's in turn."""
    torch.set_num_threads(int(args.threads))
    ours, peer, copies = {}, {}, {}
    for _ in range(args.runs):
        lines = subprocess.run([args.merge], check=True, capture_output=True, text=True).stdout.split("\n")
        for shape, tile, *secs in (line.split() for line in lines if line):
            key = (shape, int(tile))
            ours[key] = [min(pair) for pair in zip(ours.get(key, [1e9] * 2), map(float, secs))]
            image = torch.rand((1, 1, *(int(n) for n in shape.split("x"))))
            roi = [key[1]] * (image.ndim - 2)
            run = lambda: sliding_window_inference(image, roi, 1, torch.clone, overlap=0.25, mode="gaussian")
            peer[key] = min(peer.get(key, 1e9), *(cpu_secs(run) for _ in range(7)))
            copies[key] = min(copies.get(key, 1e9), *(cpu_secs(image.clone) for _ in range(7)))
    print("\n| identity over, tile | ours on one thread, CPU s | with a thread for each stage | MONAI | ratios "
          "| the image copied once by PyTorch |\n|---|---|---|---|---|---|")
    for key, (alone, threads) in ours.items():
        shape, tile = key
        ratios = f"{alone / peer[key]:.2f}, {threads / peer[key]:.2f}"
        print(f"| {shape}, {tile} | {alone:.4f} | {threads:.4f} | {peer[key]:.4f} | {ratios} | {copies[key]:.4f} |")


def cpu_secs(run):
    before = time.process_time()
    with torch.no_grad():
        run()
    return time.process_time() - before


def compare(n, args, out, script):
    image = out / "image.f32"
    np.random.default_rng(SEED).random((CHANNELS[0], n, n), dtype=np.float32).tofile(image)
    shared = [str(out / "net.safetensors"), str(image), f"{n},{n}", "--threads", args.threads]
    engines = []
    for mode in args.modes.split(","):
        for window in ("direct", "crop", "hann"):
            engines.append((f"ours {mode} {window}", [args.forward, *shared, "--mode", mode, "--window", window]))
    for layout in ("first", "last"):
        for window in ("direct", "gaussian"):
            name = f"peer {layout} {window}"
            engines.append((name, [sys.executable, script, *shared, "--layout", layout, "--window", window]))
    # One at a time in memory, several rounds of all: loads change, so each round has every engine.
    figures, results = {}, {}
    for run in range(args.runs):
        for key, command in engines:
            engine = Engine(key, command)
            engine.run()
            figures.setdefault(key, []).append(engine.run())
            if run == 0:
                engine.ask(f"save {out / 'result.f32'}")
                results[key] = np.fromfile(out / "result.f32", np.float32)
            engine.end()
    first = args.modes.split(",")[0]
    median = lambda key, i: statistics.median(f[i] for f in figures[key])
    reference = results["peer first direct"]
    for key, _ in engines:
        # MONAI's sliding window is compared with ours at its overlap.
        ours = f"ours {first} " + {"gaussian": "hann"}.get(key.split()[-1], key.split()[-1])
        error = np.abs(results[key] - reference).max() / np.abs(reference).max()
        print(
            f"| {n}^2 | {key} | {median(key, 0):.3f} | {median(key, 0) / median(ours, 0):.2f} | {median(key, 1):.3f} "
            f"| {figures[key][-1][2] / 1e6:.0f} | {error:.1e} |",
            flush=True,
        )
    print(f"| | load {os.getloadavg()[0]:.2f} | | | | | |")


if __name__ == "__main__":
    main()
