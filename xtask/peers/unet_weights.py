"""The U-Net of a SynthSeg weight file: its layers and arrays, for engines that know nothing of Keras."""

import h5py
import numpy as np


class UNet:
    """Arrays by layer name; `features[l]` channels at level l."""

    def __init__(self, path, prefix="unet"):
        self.prefix, self.arrays = prefix, {}
        with h5py.File(path, "r") as file:
            root = file if "layer_names" in file.attrs else file["model_weights"]
            for layer in (name.decode() if isinstance(name, bytes) else name for name in root.attrs["layer_names"]):
                names = [n.decode() if isinstance(n, bytes) else n for n in root[layer].attrs["weight_names"]]
                if names and layer.startswith(prefix + "_"):
                    self.arrays[layer.removeprefix(prefix + "_")] = [np.asarray(root[layer][n], np.float32) for n in names]
        self.levels = sum(1 for name in self.arrays if name.startswith("conv_downarm_") and name.endswith("_0"))
        self.features = [self.kernel(f"conv_downarm_{level}_0").shape[-1] for level in range(self.levels)]
        self.labels = self.kernel("likelihood").shape[-1]

    def kernel(self, layer):
        """Kernel `[x, y, z, c_in, c_out]`."""
        return self.arrays[layer][0]

    def bias(self, layer):
        return self.arrays[layer][1]

    def channels_first(self, layer):
        """Kernel `[c_out, c_in, x, y, z]`."""
        return np.ascontiguousarray(self.kernel(layer).transpose(4, 3, 0, 1, 2))

    def up_steps(self):
        """Level, number in the names of convolutions and number in the names of norms, for each step up."""
        return [(self.levels - 2 - step, self.levels + step, step) for step in range(self.levels - 1)]
