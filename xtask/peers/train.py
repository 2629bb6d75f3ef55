"""Times training steps of `train-step` beside the same steps in PyTorch, each in a process of its own, in turn on the same
arguments, and prints the medians, their ratios, the memory that the steps took, and how far their results are apart."""

import argparse
import pathlib
import resource
import statistics
import sys
import time

import numpy as np
from unet import Engine

RATE = 0.1
KINDS = ("plain", "bf16", "accumulated", "checkpointed")


def network(arguments, dtype):
    import torch

    parts = []
    for name in sorted((n for n in arguments if n.endswith(".weight")), key=lambda n: int(n.split(".")[0])):
        c_out, c_in = arguments[name].shape[:2]
        parts += [torch.nn.Conv2d(c_in, c_out, 3, padding=1), torch.nn.ReLU()]
    net = torch.nn.Sequential(*parts[:-1])
    net.load_state_dict({name: tensor for name, tensor in arguments.items() if "." in name})
    return net.to(dtype)


def make_step(kind, arguments, dtype):
    """Always from the same weights: the loss, and the parameters after the step, sorted by name."""
    import torch
    from torch.utils.checkpoint import checkpoint_sequential

    net, x, y = network(arguments, dtype), arguments["x"].to(dtype), arguments["y"].to(dtype)
    start = [p.detach().clone() for p in net.parameters()]
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    parts = len(x) if kind == "accumulated" else 1

    def forward(x):
        if kind == "checkpointed":
            return checkpoint_sequential(net, 2, x, use_reentrant=False)
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bf16" and dtype == torch.float32):
            return net(x)

    def run():
        with torch.no_grad():
            for p, value in zip(net.parameters(), start):
                p.copy_(value)
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for a, b in zip(x.chunk(parts), y.chunk(parts)):
            loss = (forward(a).to(dtype) - b).square().mean()
            (loss / parts).backward()
            total += float(loss.detach()) / parts
        optimizer.step()
        named = dict(net.named_parameters())
        return [torch.tensor([total])] + [named[name].detach() for name in sorted(named)]

    return run


def serve(kind, file, threads):
    """Answers as our program does."""
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    step = make_step(kind, load_file(file), torch.float32)
    print(f"ready PyTorch {torch.__version__}", flush=True)
    last = None
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "run":
            last = None
            begun = time.process_time(), time.perf_counter()
            last = step()
            cpu, wall = time.process_time() - begun[0], time.perf_counter() - begun[1]
            print(f"{cpu:.4f} {wall:.4f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}", flush=True)
        else:
            np.concatenate([t.flatten().float().numpy() for t in last]).tofile(rest)
            print("saved", flush=True)


class Trainer(Engine):
    """An engine whose memory counts from before its first step."""

    def __init__(self, key, command):
        super().__init__(key, command)
        self.before = self.status("VmRSS")

    def status(self, field):
        for line in pathlib.Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise SystemExit(f"/proc has no {field}")

    def step(self):
        self.figures.append(self.run())

    def median(self, at):
        return statistics.median(figures[at] for figures in self.figures)

    def finish(self, result):
        """The memory of the steps, and the result of the last."""
        memory = self.status("VmHWM") - self.before
        self.ask(f"save {result}")
        self.end()
        return memory, np.fromfile(result, np.float32)


def compare(args, kind, out):
    import torch
    from safetensors.torch import load_file

    file = out / f"{kind}.safetensors"
    ours = Trainer("train-step", [args.step, kind, file])
    theirs = Trainer("PyTorch", [sys.executable, __file__, "--serve", kind, "--arguments", file, "--threads", str(args.threads)])
    print(f"{ours.name} beside {theirs.name}: {kind}, {args.threads} threads", flush=True)
    for engine in (ours, theirs):
        engine.ask("run")
    for _ in range(args.runs):
        ours.step()
        theirs.step()
        print(f"  wall: ours {ours.figures[-1][1] * 1e3:.0f} ms, PyTorch {theirs.figures[-1][1] * 1e3:.0f} ms;"
              f" CPU: ours {ours.figures[-1][0] * 1e3:.0f} ms, PyTorch {theirs.figures[-1][0] * 1e3:.0f} ms", flush=True)
    for what, at in (("wall", 1), ("CPU", 0)):
        a, b = ours.median(at), theirs.median(at)
        print(f"  medians of {what} time: ours {a * 1e3:.0f} ms, PyTorch {b * 1e3:.0f} ms, ratio {b / a:.2f}")
    (memory, mine), (peer_memory, peer) = ours.finish(out / f"{kind}.ours"), theirs.finish(out / f"{kind}.torch")
    print(f"  memory of a step: ours {memory / 1e6:.0f} MB, PyTorch {peer_memory / 1e6:.0f} MB")
    arguments = load_file(file)
    wanted = make_step("plain", arguments, torch.float64)()
    wanted = np.concatenate([t.flatten().double().numpy() for t in wanted])
    start = np.concatenate([[0.0]] + [arguments[n].flatten().double().numpy() for n in sorted(arguments) if "." in n])
    change = np.abs(wanted[1:] - start[1:]).max()
    for name, got in (("ours", mine), ("PyTorch", peer)):
        print(f"  {name}: loss {abs(got[0] - wanted[0]) / wanted[0]:.1e} from f64, change of parameters"
              f" {np.abs(got[1:] - wanted[1:]).max() / change:.1e} of the largest")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", help="our program")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--out", help="folder for arguments and results")
    parser.add_argument("--serve", choices=KINDS)
    parser.add_argument("--arguments")
    args = parser.parse_args()
    if args.serve:
        serve(args.serve, args.arguments, args.threads)
        return
    out = pathlib.Path(args.out).resolve()
    for kind in KINDS:
        compare(args, kind, out)


if __name__ == "__main__":
    main()
