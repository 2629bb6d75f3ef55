"""Times training steps of `nn3d-step` beside the same steps in PyTorch, in turn on the same arguments, and prints the medians,
their ratios, peak memory, and how far results and gradients are apart."""

import argparse
import pathlib
import resource
import statistics
import time

import numpy as np
import torch
from safetensors.torch import load_file

from unet import Engine

SLOPE = 0.1


def block(c_in, c_out):
    parts = []
    for c in (c_in, c_out):
        parts += [torch.nn.Conv3d(c, c_out, 3, padding=1), torch.nn.BatchNorm3d(c_out), torch.nn.LeakyReLU(SLOPE)]
    return torch.nn.Sequential(*parts)


class UNet(torch.nn.Module):
    """The convolutions of Pose Splatter's network, without the dense layers at its bottom."""

    def __init__(self, c_in=4, width=8, c_out=8, levels=4):
        super().__init__()
        self.levels, self.pool = levels, torch.nn.MaxPool3d(2)
        self.encoder1 = block(c_in, width)
        self.final_conv = torch.nn.Conv3d(width, c_out, 1)
        for level in range(1, levels + 1):
            above, here = width << (level - 1), width << level
            setattr(self, f"encoder{level + 1}", block(above, here))
            setattr(self, f"upconv{level}", torch.nn.ConvTranspose3d(here, above, 2, stride=2))
            setattr(self, f"decoder{level}", block(here, above))

    def forward(self, x):
        skips = [self.encoder1(x)]
        for level in range(2, self.levels + 2):
            skips.append(getattr(self, f"encoder{level}")(self.pool(skips[-1])))
        y = skips.pop()
        for level in range(self.levels, 0, -1):
            y = getattr(self, f"decoder{level}")(torch.cat([skips.pop(), getattr(self, f"upconv{level}")(y)], 1))
        return self.final_conv(y)


def conv_step(arguments, dtype=torch.float32):
    arguments = {name: tensor.to(dtype) for name, tensor in arguments.items()}
    for tensor in arguments.values():
        tensor.requires_grad_()

    def run():
        for tensor in arguments.values():
            tensor.grad = None
        y = torch.nn.functional.conv3d(arguments["x"], arguments["weight"], arguments["bias"], padding=1)
        y.backward(torch.ones_like(y))
        return [y.detach()] + [arguments[name].grad for name in sorted(arguments)]

    return run


def u_net_step(arguments, dtype=torch.float32):
    arguments = {name: tensor.to(dtype) for name, tensor in arguments.items()}
    x, net = arguments.pop("x"), UNet().to(dtype)
    missing = net.load_state_dict(arguments, strict=False)
    if any("num_batches_tracked" not in name for name in missing.missing_keys) or missing.unexpected_keys:
        raise SystemExit(f"the networks have other parameters: {missing}")
    parameters = dict(net.named_parameters())

    def run():
        net.zero_grad(set_to_none=True)
        loss = net(x).square().mean()
        loss.backward()
        return [loss.detach()] + [parameters[name].grad for name in sorted(parameters)]

    return run


def compare(args, work, make, out):
    file = out / f"{work}.safetensors"
    child = Engine("nn3d-step", [args.step, work, file])
    print(child.name, f"beside PyTorch {torch.__version__}:", end=" ")
    print(f"{work}, forward and backward, {args.threads} threads", flush=True)
    run, exact = make(load_file(file)), make(load_file(file), torch.float64)
    child.run()
    run()
    ours, theirs = [], []
    for _ in range(args.runs):
        ours.append(child.run())
        begun = time.perf_counter(), time.process_time()
        run()
        theirs.append((time.process_time() - begun[1], time.perf_counter() - begun[0]))
        print(f"  wall: ours {ours[-1][1] * 1e3:.0f} ms, PyTorch {theirs[-1][1] * 1e3:.0f} ms;"
              f" CPU: ours {ours[-1][0] * 1e3:.0f} ms, PyTorch {theirs[-1][0] * 1e3:.0f} ms", flush=True)
    middle = lambda figures, at: statistics.median(f[at] for f in figures)
    for what, at in (("wall", 1), ("CPU", 0)):
        a, b = middle(ours, at), middle(theirs, at)
        print(f"  medians of {what} time: ours {a * 1e3:.0f} ms, PyTorch {b * 1e3:.0f} ms, ratio {b / a:.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"  peak memory so far: ours {ours[-1][2] / 1e6:.0f} MB, PyTorch {peak / 1e6:.0f} MB (with the interpreter)")
    result = out / f"{work}.f32"
    child.ask(f"save {result}")
    mine, wanted = torch.from_numpy(np.fromfile(result, np.float32)), exact()
    if mine.numel() != sum(t.numel() for t in wanted):
        raise SystemExit(f"{work}: {mine.numel()} values of ours, {sum(t.numel() for t in wanted)} of PyTorch's")
    for name, tensors in (("ours", mine.split([t.numel() for t in wanted])), ("PyTorch", run())):
        off = [float((a.flatten() - b.flatten()).abs().max() / b.abs().max()) for a, b in zip(tensors, wanted)]
        # Biases before a batch norm have a gradient of 0 but for rounding: the median says more than the largest.
        print(f"  {name}: result {off[0]:.1e} from f64 as a part of its largest value, gradients {statistics.median(off[1:]):.1e} in the median")
    child.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", required=True, help="our program")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--out", required=True, help="folder for arguments and results")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    out = pathlib.Path(args.out).resolve()
    compare(args, "conv", conv_step, out)
    compare(args, "u-net", u_net_step, out)


if __name__ == "__main__":
    main()
