"""A Zarr array of 512^3 u16 in chunks of 64^3, zstd: volkit beside zarr-python and tensorstore, in turn.

All at zstd's level 3, and volkit at level 1 too, which is its default. Prints seconds of reading and writing the whole
array, the medians and their ratios to ours at level 3, and how large the arrays are.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import numpy
import tensorstore
import zarr
from zarr.codecs import ZstdCodec


def image(n):
    """A smooth object with noise, as a microscope gives."""
    axis = numpy.linspace(-1, 1, n, dtype="f4")
    z, y, x = axis[:, None, None], axis[None, :, None], axis[None, None, :]
    values = 20000 * numpy.exp(-3 * (x * x + y * y + z * z))
    random = numpy.random.default_rng(1)
    out = numpy.empty((n, n, n), "u2")
    for i in range(n):
        out[i] = values[i] + random.normal(500, 20, (n, n))
    return out


def zarr_python(store, out, values):
    start = time.perf_counter()
    read = zarr.open_array(store, mode="r")[...]
    reading = time.perf_counter() - start
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    array = zarr.create_array(out, shape=values.shape, dtype="u2", chunks=(64, 64, 64), fill_value=0,
                              compressors=[ZstdCodec(level=3)])
    array[...] = read
    return reading, time.perf_counter() - start


def tensor_store(store, out, values, context):
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(store)}}
    start = time.perf_counter()
    read = tensorstore.open(spec, open=True, context=context).result().read().result()
    reading = time.perf_counter() - start
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(out)},
        "metadata": {
            "shape": values.shape,
            "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [64, 64, 64]}},
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}},
                       {"name": "zstd", "configuration": {"level": 3}}],
            "fill_value": 0,
        },
    }
    tensorstore.open(spec, create=True, context=context).result().write(read).result()
    return reading, time.perf_counter() - start


def volkit(program, store, out, threads, level):
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run([program, store, out, "1", str(level)], capture_output=True, text=True, check=True, env=environment)
    times = json.loads(done.stdout)
    return times["read"][0], times["write"][0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--out", help="folder in which the arrays are made for the time of the runs")
    args = parser.parse_args()
    zarr.config.set({"threading.max_workers": args.threads})
    context = tensorstore.Context({"data_copy_concurrency": {"limit": args.threads}})
    with tempfile.TemporaryDirectory(dir=args.out) as folder:
        folder = pathlib.Path(folder)
        store, out = folder / "in.zarr", folder / "out.zarr"
        values = image(args.size)
        zarr_python(store_of(store, values), out, values)
        names = {
            "volkit": lambda: volkit(args.program, store, out, args.threads, 3),
            "volkit 1": lambda: volkit(args.program, store, out, args.threads, 1),
            "zarr-python": lambda: zarr_python(store, out, values),
            "tensorstore": lambda: tensor_store(store, out, values, context),
        }
        times, sizes = {name: [] for name in names}, {}
        for _ in range(args.runs):
            for name, run in names.items():
                times[name].append(run())
                sizes[name] = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
                print(f"{name:12} read {times[name][-1][0]:.3f} s  write {times[name][-1][1]:.3f} s  "
                      f"load {os.getloadavg()[0]:.1f}", flush=True)
        if not numpy.array_equal(zarr.open_array(out, mode="r")[...], values):
            raise SystemExit("the values differ")
        ours = [statistics.median(side) for side in zip(*times["volkit"])]
        for name in names:
            read, write = (statistics.median(side) for side in zip(*times[name]))
            print(f"median {name:12} read {read:.3f} s ({read / ours[0]:.2f} x ours)  "
                  f"write {write:.3f} s ({write / ours[1]:.2f} x ours)  {sizes[name] / 1e6:.1f} MB")


def store_of(store, values):
    array = zarr.create_array(store, shape=values.shape, dtype="u2", chunks=(64, 64, 64), fill_value=0,
                              compressors=[ZstdCodec(level=3)])
    array[...] = values
    return store


if __name__ == "__main__":
    main()
