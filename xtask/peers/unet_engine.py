"""Forward passes of a U-Net in one of the engines people use now, one for each line `run` on standard input.

Answers as the program `forward` of the benches does: `ready NAME`; CPU seconds, wall seconds and peak resident bytes for
each `run`; `saved` for `save FILE` (f32 `[z][y][x][c]`).
"""

import argparse
import os
import resource
import sys
import tempfile
import time

import numpy as np
from unet_weights import UNet

EPSILON = 1e-3


def torch_engine(unet, image, threads, channels_last=True, double=False):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format

    def tensor(array):
        return torch.from_numpy(array).to(torch.float64 if double else torch.float32)

    kernels = {
        name: tensor(unet.channels_first(name)).contiguous(memory_format=layout)
        for name in unet.arrays
        if not name.startswith("bn_")
    }
    biases = {name: tensor(unet.bias(name)) for name in kernels}

    def conv(x, name):
        return F.elu_(F.conv3d(x, kernels[name], biases[name], padding=1))

    def norm(x, name):
        gamma, beta, mean, variance = (tensor(a) for a in unet.arrays[name])
        return F.batch_norm(x, mean, variance, gamma, beta, eps=EPSILON)

    x0 = tensor(image.transpose(2, 1, 0)[None, None].copy()).contiguous(memory_format=layout)

    def run():
        with torch.inference_mode():
            x, skips = x0, {}
            for level in range(unet.levels):
                x = skips[level] = conv(conv(x, f"conv_downarm_{level}_0"), f"conv_downarm_{level}_1")
                x = norm(x, f"bn_down_{level}")
                if level + 1 < unet.levels:
                    x = F.max_pool3d(x, 2)
            for level, number, step in unet.up_steps():
                x = torch.cat([skips.pop(level), F.interpolate(x, scale_factor=2, mode="nearest")], 1)
                x = conv(conv(x, f"conv_uparm_{number}_0"), f"conv_uparm_{number}_1")
                x = norm(x, f"bn_up_{step}")
            x = F.softmax(F.conv3d(x, kernels["likelihood"], biases["likelihood"]), 1)
        return x[0].permute(3, 2, 1, 0).numpy()

    layout = "f64" if double else "channels-last" if channels_last else "channels-first"
    return run, f"PyTorch {torch.__version__} {layout}"


def tensorflow_engine(unet, image, threads):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    layers = tf.keras.layers

    def conv(x, name):
        c_out = unet.kernel(name).shape[-1]
        return layers.Conv3D(c_out, 3, padding="same", activation="elu", name=name)(x)

    x = start = layers.Input(shape=(*image.shape[::-1], 1))
    skips = {}
    for level in range(unet.levels):
        x = skips[level] = conv(conv(x, f"conv_downarm_{level}_0"), f"conv_downarm_{level}_1")
        x = layers.BatchNormalization(epsilon=EPSILON, name=f"bn_down_{level}")(x)
        if level + 1 < unet.levels:
            x = layers.MaxPooling3D()(x)
    for level, number, step in unet.up_steps():
        x = layers.Concatenate()([skips[level], layers.UpSampling3D()(x)])
        x = conv(conv(x, f"conv_uparm_{number}_0"), f"conv_uparm_{number}_1")
        x = layers.BatchNormalization(epsilon=EPSILON, name=f"bn_up_{step}")(x)
    x = layers.Softmax()(layers.Conv3D(unet.labels, 1, name="likelihood")(x))
    model = tf.keras.Model(start, x)
    for name, arrays in unet.arrays.items():
        model.get_layer(name).set_weights(arrays)
    batch = tf.constant(image.transpose(2, 1, 0)[None, ..., None])
    call = tf.function(lambda x: model(x, training=False))
    return lambda: call(batch).numpy()[0].transpose(2, 1, 0, 3), f"TensorFlow {tf.__version__}"


def onnx_file(unet, shape):
    """The network as an ONNX file with input `[1, 1, x, y, z]`."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, count = [], [], iter(range(10**6))

    def constant(array):
        name = f"c{next(count)}"
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(kind, inputs, **attributes):
        name = f"t{next(count)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def conv(x, layer):
        inputs = [x, constant(unet.channels_first(layer)), constant(unet.bias(layer))]
        return node("Elu", [node("Conv", inputs, kernel_shape=[3] * 3, pads=[1] * 6)])

    def norm(x, layer):
        return node("BatchNormalization", [x, *(constant(a) for a in unet.arrays[layer])], epsilon=EPSILON)

    x, skips = "x", {}
    for level in range(unet.levels):
        x = skips[level] = conv(conv(x, f"conv_downarm_{level}_0"), f"conv_downarm_{level}_1")
        x = norm(x, f"bn_down_{level}")
        if level + 1 < unet.levels:
            x = node("MaxPool", [x], kernel_shape=[2] * 3, strides=[2] * 3)
    scales = constant(np.array([1, 1, 2, 2, 2], np.float32))
    rule = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    for level, number, step in unet.up_steps():
        x = node("Concat", [skips[level], node("Resize", [x, "", scales], **rule)], axis=1)
        x = conv(conv(x, f"conv_uparm_{number}_0"), f"conv_uparm_{number}_1")
        x = norm(x, f"bn_up_{step}")
    x = node("Conv", [x, constant(unet.channels_first("likelihood")), constant(unet.bias("likelihood"))])
    x = node("Softmax", [x], axis=1)
    value = helper.make_tensor_value_info
    start = value("x", TensorProto.FLOAT, [1, 1, *shape])
    end = value(x, TensorProto.FLOAT, [1, unet.labels, *shape])
    graph = helper.make_graph(nodes, "unet", [start], [end], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    file = tempfile.NamedTemporaryFile(suffix=".onnx")
    onnx.save(model, file.name)
    return file


def onnxruntime_engine(unet, image, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    batch = np.ascontiguousarray(image.transpose(2, 1, 0))[None, None]
    with onnx_file(unet, batch.shape[2:]) as file:
        session = onnxruntime.InferenceSession(file.name, options, providers=["CPUExecutionProvider"])

    def run():
        return session.run(None, {"x": batch})[0][0].transpose(3, 2, 1, 0)

    return run, f"ONNX Runtime {onnxruntime.__version__}"


def openvino_engine(unet, image, threads, precision):
    import openvino

    batch = np.ascontiguousarray(image.transpose(2, 1, 0))[None, None]
    with onnx_file(unet, batch.shape[2:]) as file:
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        }
        request = openvino.Core().compile_model(file.name, "CPU", settings).create_infer_request()

    def run():
        return next(iter(request.infer({0: batch}).values()))[0].transpose(3, 2, 1, 0)

    return run, f"OpenVINO {openvino.__version__.split('-')[0]} {precision}"


ENGINES = {
    "torch": torch_engine,
    "torch-first": lambda *args: torch_engine(*args, channels_last=False),
    "torch-f64": lambda *args: torch_engine(*args, double=True),
    "tensorflow": tensorflow_engine,
    "onnxruntime": onnxruntime_engine,
    "openvino": lambda *args: openvino_engine(*args, "f32"),
    "openvino-bf16": lambda *args: openvino_engine(*args, "bf16"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("weights")
    parser.add_argument("image")
    parser.add_argument("size")
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    size = [int(n) for n in args.size.split(",")]
    image = np.fromfile(args.image, np.float32).reshape(size[::-1])
    run, name = ENGINES[args.engine](UNet(args.weights), image, args.threads)
    print(f"ready {name}", flush=True)
    last = None
    for line in sys.stdin:
        command, _, file = line.strip().partition(" ")
        if command == "run":
            last = None
            cpu, wall = time.process_time(), time.perf_counter()
            last = run()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            print(f"{cpu:.4f} {wall:.4f} {peak}", flush=True)
        elif command == "save":
            np.ascontiguousarray(last, np.float32).tofile(file)
            print("saved", flush=True)
        else:
            raise SystemExit(f"`{line.strip()}`: expected `run` or `save FILE`")


if __name__ == "__main__":
    main()
