"""MeshNet in PyTorch on the CPU, from a conformed scan to a label file: the peer of `synthseg --model`.

f32, channels-last, inference mode, as many threads as asked. The scan must be 256^3 voxels of 1 mm in LIA.
"""

import argparse
import json

import nibabel
import numpy as np
import torch
from safetensors import safe_open


def read_weights(path):
    with safe_open(path, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
        return config, {name: file.get_tensor(name) for name in file.keys()}


def normalised(voxels):
    low, high = np.quantile(voxels, [0.02, 0.98])
    return np.clip((voxels - low) / (high - low + 1e-3), 0, 1).astype(np.float32)


def forward(config, weights, x):
    activation = {"relu": torch.relu_, "elu": torch.nn.functional.elu_}[config["activation"]]
    n_layers = 1 + max(int(name.split(".")[1]) for name in weights)
    for index in range(n_layers):
        kernel = weights[f"layers.{index}.weight"].contiguous(memory_format=torch.channels_last_3d)
        layer = config["layers"][index]
        x = torch.nn.functional.conv3d(
            x, kernel, weights.get(f"layers.{index}.bias"), padding=layer["padding"], dilation=layer["dilation"]
        )
        if index + 1 < n_layers:
            if config["norm"] == "instance":
                x = torch.nn.functional.instance_norm(x, eps=1e-5)
            x = activation(x)
    return x


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    image = nibabel.load(args.image)
    if image.shape != (256, 256, 256) or nibabel.aff2axcodes(image.affine) != ("L", "I", "A"):
        raise SystemExit(f"{args.image}: {image.shape} {nibabel.aff2axcodes(image.affine)}, a conformed scan is needed")
    config, weights = read_weights(args.model)
    x = torch.from_numpy(normalised(np.asarray(image.dataobj)))[None, None]
    with torch.inference_mode():
        logits = forward(config, weights, x.contiguous(memory_format=torch.channels_last_3d))
        labels = logits.argmax(1)[0].to(torch.uint8).numpy()
    nibabel.save(nibabel.Nifti1Image(labels, image.affine), args.out)


if __name__ == "__main__":
    main()
