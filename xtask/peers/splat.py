"""Times forward and backward passes of `splat-step` beside a compositor in PyTorch with automatic differentiation, in turn
on one scene, and prints the medians, their ratio, and how far pictures and gradients are apart.

The compositor works tile by tile: splats of a tile are gathered in order of depth, alphas of all its pixels and splats are
one matrix, and transmittance is its cumulative product. Projection is one batch of all Gaussians."""

import argparse
import pathlib
import statistics
import time

import numpy as np
import torch

from unet import Engine

TILE = 16
ALPHA_MIN, ALPHA_MAX, T_MIN, BLUR, NEAR, MARGIN = 1 / 255, 0.99, 1e-4, 0.3, 0.01, 0.3
NEAR_GATE = 3e-4
INPUTS = {"means": 3, "quats": 4, "log_scales": 3, "logit_opacities": 1, "colours": 3}


def rotation(q):
    w, x, y, z = torch.nn.functional.normalize(q, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, -1).reshape(-1, 3, 3)


def project(p, pose, k, side):
    a, t = pose[:, :3], pose[:, 3]
    x, y, z = (p["means"] @ a.T + t).unbind(-1)
    fx, fy, cx, cy = k
    limit = [[c / f + MARGIN * 0.5 * side / f, (side - c) / f + MARGIN * 0.5 * side / f] for f, c in ((fx, cx), (fy, cy))]
    tx = z * torch.clamp(x / z, -limit[0][0], limit[0][1])
    ty = z * torch.clamp(y / z, -limit[1][0], limit[1][1])
    zero = torch.zeros_like(z)
    j = torch.stack([fx / z, zero, -fx * tx / z**2, zero, fy / z, -fy * ty / z**2], -1).reshape(-1, 2, 3)
    m = rotation(p["quats"]) * torch.exp(p["log_scales"])[:, None, :]
    half = j @ a @ m
    s = half @ half.transpose(1, 2)
    s00, s01, s11 = s[:, 0, 0] + BLUR, s[:, 0, 1], s[:, 1, 1] + BLUR
    det = s00 * s11 - s01 * s01
    mean = torch.stack([fx * x / z + cx, fy * y / z + cy], -1)
    conic = torch.stack([s11 / det, -s01 / det, s00 / det], -1)
    opacity = torch.sigmoid(p["logit_opacities"][:, 0])
    with torch.no_grad():
        reach = torch.sqrt(2 * torch.log(torch.clamp(opacity / ALPHA_MIN, min=1)))
        radius = torch.stack([reach * torch.sqrt(s00), reach * torch.sqrt(s11)], -1)
        seen = (z > NEAR) & (opacity >= ALPHA_MIN)
    return mean, conic, opacity, z, radius, seen


def lists(mean, radius, order, side):
    """Splats of each tile, nearest first, tiles row by row."""
    low, high = ((mean + sign * radius)[order].div(TILE).floor() for sign in (-1, 1))
    tiles = []
    for ty in range(side // TILE):
        row = ((low[:, 1] <= ty) & (high[:, 1] >= ty)).nonzero()[:, 0]
        ids, first, last = order[row], low[row, 0], high[row, 0]
        tiles += [ids[(first <= tx) & (last >= tx)] for tx in range(side // TILE)]
    return tiles


def at_a_gate(raw, after):
    """Samples that rounding may bring to the other side of a gate: f32 gives an exponent of a sample a relative error of up to
    NEAR_GATE, for the error of a splat's place on the image, 1e-5 pixels, is weighed with its steepness."""
    close = lambda x, gate: (x / gate - 1).abs() < NEAR_GATE
    return close(raw, ALPHA_MIN) | close(raw, ALPHA_MAX) | close(after, T_MIN)


def render(p, pose, k, side, fragile=None):
    """Colour, depth and alpha; `fragile`, a mask of splats, gets those that are blended into a pixel with a sample at a gate."""
    mean, conic, opacity, z, radius, seen = project(p, pose, k, side)
    with torch.no_grad():
        order = torch.argsort(z)
        tiles = lists(mean, radius, order[seen[order]], side)
    # One gather for all tiles: its backward pass is then one sum over the scene, not one for each tile.
    table = torch.cat([mean, conic, opacity[:, None], p["colours"], z[:, None]], 1)
    parts = torch.index_select(table, 0, torch.cat(tiles)).split([len(ids) for ids in tiles])
    ys, xs = torch.meshgrid(torch.arange(TILE) + 0.5, torch.arange(TILE) + 0.5, indexing="ij")
    ones, pictures = torch.ones(TILE * TILE, 1), []
    for at, part in enumerate(parts):
        x, y, a, b, c, o, features = part.split([1, 1, 1, 1, 1, 1, 4], 1)
        dx = x.T - (xs.reshape(-1, 1) + at % (side // TILE) * TILE)
        dy = y.T - (ys.reshape(-1, 1) + at // (side // TILE) * TILE)
        sigma = 0.5 * (a.T * dx * dx + c.T * dy * dy) + b.T * dx * dy
        raw = o.T * torch.exp(-sigma)
        alpha = torch.clamp(raw, max=ALPHA_MAX)
        alpha = torch.where((sigma >= 0) & (alpha >= ALPHA_MIN), alpha, 0.0)
        after = torch.cumprod(1 - alpha, 1)
        before = torch.cat([ones, after[:, :-1]], 1)
        weight = torch.where(after > T_MIN, alpha * before, 0.0)
        if fragile is not None:
            pixels = at_a_gate(raw, after).any(1)
            fragile[tiles[at][(raw[pixels] > ALPHA_MIN * (1 - NEAR_GATE)).any(0)]] = True
        pictures.append(torch.cat([weight @ features, weight.sum(1, keepdim=True)], 1))
    whole = torch.stack(pictures).reshape(side // TILE, side // TILE, TILE, TILE, 5)
    return whole.transpose(1, 2).reshape(side, side, 5)


def compare_gradients(inputs, mine, weight, pose, k, side):
    """How far gradients are apart, ours, PyTorch's and PyTorch's in f64; then without the Gaussians that a gate is near."""
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in inputs.items()}
    fragile = torch.zeros(len(inputs["means"]), dtype=torch.bool)
    torch.set_default_dtype(torch.float64)
    (render(exact, pose.double(), k, side, fragile) * weight.double()).sum().backward()
    torch.set_default_dtype(torch.float32)
    print(f"  {fragile.sum()} Gaussians are in a pixel with a sample within {NEAR_GATE:.0e} of a gate")
    print("  gradients, largest difference over largest number: ours - PyTorch, ours - f64, PyTorch - f64; the same without them")
    for name, tensor in inputs.items():
        a, b, c = mine[name].double(), tensor.grad.double(), exact[name].grad
        pairs = [((x - y).abs() / c.abs().max()) for x, y in ((a, b), (a, c), (b, c))]
        figures = [f"{pair.max():.1e}" for pair in pairs] + [f"{pair[~fragile].max():.1e}" for pair in pairs]
        print(f"    {name}: {' '.join(figures[:3])}; {' '.join(figures[3:])}")


def compare(args, n, side, out):
    command = [args.step, str(n), str(side), "--threads", str(args.threads)]
    child = Engine("splat-step", command)
    print(child.name, f"beside PyTorch {torch.__version__}:", end=" ")
    print(f"{n} Gaussians, {side} x {side}, {args.threads} threads", flush=True)
    child.run()
    child.ask(f"save {out}")
    read = lambda name, *shape: torch.from_numpy(np.fromfile(out / f"{name}.f32", np.float32).reshape(*shape))
    inputs = {name: read(name, n, width).requires_grad_() for name, width in INPUTS.items()}
    pose, k = read("camera_from_world", 3, 4), read("intrinsics", 4).tolist()
    weight = torch.cat([read("w_colour", side, side, 3), read("w_depth", side, side, 1), read("w_alpha", side, side, 1)], -1)
    ours, theirs = [], []
    (render(inputs, pose, k, side) * weight).sum().backward()
    for _ in range(args.runs):
        # Ours is so short that one pass would be at the mercy of whatever else runs.
        figures = [child.run() for _ in range(9)]
        ours.append(min(figures, key=lambda f: f[1]))
        for tensor in inputs.values():
            tensor.grad = None
        begun = time.perf_counter(), time.process_time()
        picture = render(inputs, pose, k, side)
        (picture * weight).sum().backward()
        theirs.append((time.process_time() - begun[1], time.perf_counter() - begun[0]))
        print(f"  wall: ours {ours[-1][1] * 1e3:.2f} ms (forward {ours[-1][2] * 1e3:.2f}), PyTorch {theirs[-1][1] * 1e3:.0f} ms;"
              f" CPU: ours {ours[-1][0] * 1e3:.2f} ms, PyTorch {theirs[-1][0] * 1e3:.0f} ms", flush=True)
    middle = lambda figures, at: statistics.median(f[at] for f in figures)
    for what, at in (("wall", 1), ("CPU", 0)):
        a, b = middle(ours, at), middle(theirs, at)
        print(f"  medians of {what} time: ours {a * 1e3:.2f} ms, PyTorch {b * 1e3:.0f} ms, ratio {b / a:.0f}")
    bytes_each, pairs = child.ask("memory").split()
    print(f"  ours keeps {bytes_each} bytes a Gaussian ({pairs} pairs of tile and splat)")
    off = (picture[..., :3].detach() - read("colour", side, side, 3)).abs()
    print(f"  pictures differ by {off.max():.1e} at most, {off.mean():.1e} in the mean")
    mine = {name: read(f"g_{name}", *tensor.shape) for name, tensor in inputs.items()}
    compare_gradients(inputs, mine, weight, pose, k, side)
    child.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", required=True, help="our program")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--out", required=True, help="folder for the scene")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for n, side in ((10_000, 256), (50_000, 512)):
        compare(args, n, side, pathlib.Path(args.out).resolve())


if __name__ == "__main__":
    main()
