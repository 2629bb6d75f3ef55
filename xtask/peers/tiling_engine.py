"""Passes of the 16-32-64-32-1 network over an image in PyTorch, directly or through MONAI's sliding window, one for each
line `run` on standard input. Answers as the program `net-forward` of the benches does."""

import argparse
import resource
import sys
import time

import numpy as np
import torch
from safetensors.torch import load_file


def network(weights):
    state = load_file(weights)
    layers = []
    for i in range(0, len(state), 2):
        weight = state[f"{i}.weight"]
        layers += [torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    net.load_state_dict(state)
    return net.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("image")
    parser.add_argument("size", help="H,W")
    parser.add_argument("--window", required=True, help="direct or gaussian")
    parser.add_argument("--layout", required=True, help="first or last: where the channels are")
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    height, width = (int(n) for n in args.size.split(","))
    net = network(args.weights)
    image = torch.from_numpy(np.fromfile(args.image, np.float32).reshape(1, -1, height, width))
    if args.layout == "last":
        net, image = net.to(memory_format=torch.channels_last), image.to(memory_format=torch.channels_last)
    name = f"PyTorch {torch.__version__} channels-{args.layout}"
    if args.window == "direct":
        run = lambda: net(image)
    else:
        import monai

        name = f"MONAI {monai.__version__}, {name}"
        run = lambda: monai.inferers.sliding_window_inference(image, (512, 512), 1, net, overlap=0.25, mode="gaussian")
    print(f"ready {name} {args.window}", flush=True)
    last = None
    with torch.inference_mode():
        for line in sys.stdin:
            command, _, file = line.strip().partition(" ")
            if command == "run":
                last = None
                before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
                last = run()
                wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                print(f"{cpu:.4f} {wall:.4f} {after.ru_maxrss * 1024}", flush=True)
            else:
                last.contiguous().numpy().tofile(file)
                print("saved", flush=True)


if __name__ == "__main__":
    main()
