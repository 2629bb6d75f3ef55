"""Files that volconv wrote, read by Python; files that Python wrote, read by volconv. One line a case."""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import h5py
import nibabel
import numpy
import zarr

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]
ZARR_TYPES = TYPES + ["u8", "i8", "f2", "c8"]
AFFINE = numpy.array([[-1.2, 1.2, 0, 30.5], [0.9, 1.6, 0, -22.25], [0, 0, 2.5, 11], [0, 0, 0, 1.0]])


def noise(shape, dtype):
    random = numpy.random.default_rng(7)
    dtype = numpy.dtype(dtype)
    if dtype.kind in "ui":
        info = numpy.iinfo(dtype)
        return random.integers(info.min, info.max, shape, dtype, endpoint=True)
    values = random.standard_normal(shape)
    return (values + 1j * values[::-1]).astype(dtype) if dtype.kind == "c" else values.astype(dtype)


class Cases:
    def __init__(self, volconv, folder):
        self.volconv, self.folder, self.failed, self.passed = volconv, folder, 0, 0

    def run(self, *args):
        done = subprocess.run([self.volconv, *map(str, args)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"volconv {args[0]} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def convert(self, source, name, *options):
        target = self.folder / name
        self.run("convert", source, target, "--overwrite", *options)
        return target

    def case(self, name, body):
        try:
            body()
            print(f"{name}  ok", flush=True)
            self.passed += 1
        except Exception as error:  # Whatever goes wrong is a case that failed.
            print(f"{name}  FAIL: {type(error).__name__}: {error}", flush=True)
            self.failed += 1


def same(got, wanted, affine=None, wanted_affine=None):
    got, wanted = numpy.asarray(got), numpy.asarray(wanted)
    if got.shape != wanted.shape or got.dtype.newbyteorder("=") != wanted.dtype.newbyteorder("="):
        raise ValueError(f"{got.shape} {got.dtype}, expected {wanted.shape} {wanted.dtype}")
    if got.tobytes() != wanted.astype(got.dtype).tobytes():
        raise ValueError(f"{numpy.count_nonzero(got != wanted)} values differ")
    if affine is not None and not numpy.allclose(affine, wanted_affine, rtol=1e-6, atol=1e-5):
        raise ValueError(f"affine {affine.tolist()}, expected {wanted_affine.tolist()}")


def nifti(cases):
    """NIfTI to Zarr and back by volconv; nibabel and zarr-python read each step."""
    for dtype in TYPES:
        values = noise((13, 10, 7), dtype)
        source = cases.folder / f"{dtype}.nii.gz"
        image = nibabel.Nifti1Image(values, AFFINE, dtype=values.dtype)
        nibabel.save(image, source)

        def to_zarr():
            store = cases.convert(source, f"{dtype}.zarr", "--chunk", "5,4,7")
            array = zarr.open_array(store, mode="r")
            same(numpy.transpose(array[...]), values, numpy.array(array.attrs["world_from_voxel"]), AFFINE)

        def back():
            back = nibabel.load(cases.convert(cases.folder / f"{dtype}.zarr", f"{dtype}_back.nii.gz"))
            same(numpy.asanyarray(back.dataobj), values, back.affine, AFFINE)

        def to_mgz():
            back = nibabel.load(cases.convert(source, f"{dtype}.mgz"))
            same(numpy.asanyarray(back.dataobj).astype(dtype), values, back.affine, AFFINE)

        cases.case(f"nibabel {dtype} .nii.gz -> volconv .zarr -> zarr-python", to_zarr)
        cases.case(f"volconv {dtype} .zarr -> .nii.gz -> nibabel", back)
        if dtype in ("u1", "i2", "i4", "f4"):
            cases.case(f"nibabel {dtype} .nii.gz -> volconv .mgz -> nibabel", to_mgz)


def stores():
    """Names and arguments of zarr-python's create_array."""
    from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec
    import numcodecs

    yield "v3", {"zarr_format": 3}
    yield "v3 gzip", {"zarr_format": 3, "compressors": [GzipCodec(level=3)]}
    yield "v3 zstd checksum", {"zarr_format": 3, "compressors": [ZstdCodec(level=5, checksum=True)]}
    yield "v3 blosc", {"zarr_format": 3, "compressors": [BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")]}
    yield "v3 shards", {"zarr_format": 3, "chunks": (2, 5, 4), "shards": (4, 10, 8)}
    yield "v2", {"zarr_format": 2}
    yield "v2 order F", {"zarr_format": 2, "order": "F"}
    yield "v2 zlib", {"zarr_format": 2, "compressors": numcodecs.Zlib(level=2)}
    yield "v2 bz2", {"zarr_format": 2, "compressors": numcodecs.BZ2(level=2)}
    yield "v2 lz4", {"zarr_format": 2, "compressors": numcodecs.LZ4()}
    yield "v2 blosc", {"zarr_format": 2, "compressors": numcodecs.Blosc(cname="zstd", shuffle=2)}


def from_zarr(cases):
    for number, (name, options) in enumerate(stores()):
        for dtype in ZARR_TYPES if number in (0, 5) else ["u2", "f4"]:
            values = noise((9, 13, 11), dtype)
            path = cases.folder / f"p{number}_{dtype}.zarr"
            options = {"chunks": (4, 5, 6), **options}
            zarr.create_array(path, shape=values.shape, dtype=values.dtype, fill_value=0, **options)[...] = values

            def to_npy():
                # A .npy that volconv writes has the index [x, y, z].
                same(numpy.transpose(numpy.load(cases.convert(path, "a.npy"))), values)

            cases.case(f"zarr-python {name} {dtype} -> volconv .npy -> numpy", to_npy)


def hdf5(cases):
    images = noise((9, 2, 24, 20, 3), "u1")
    for name, options in [
        ("gzip", {"compression": "gzip", "shuffle": True}),
        ("lzf", {"compression": "lzf", "fletcher32": True}),
        ("contiguous", {}),
        ("chunked", {"chunks": (4, 1, 12, 20, 1)}),
    ]:
        source = cases.folder / f"{name}.h5"
        with h5py.File(source, "w") as file:
            file.attrs["title"] = "images"
            file.create_dataset("images", data=images, **options)
            group = file.create_group("day 1")
            group.create_dataset("angles", data=noise((7,), ">f8"))
            group["angles"].attrs["unit"] = "rad"
            group.create_dataset("flags", data=numpy.arange(6).reshape(2, 3) % 2 == 0)

        for version in "32":

            def convert():
                store = cases.convert(source, f"{name}{version}.zarr", "--verify", "--quiet", "--zarr-version", version)
                root = zarr.open_group(store, mode="r")
                same(root["images"][...], images)
                same(root["day 1/angles"][...], noise((7,), ">f8").astype("f8"))
                same(root["day 1/flags"][...], numpy.arange(6).reshape(2, 3) % 2 == 0)
                if root.attrs["title"] != "images" or root["day 1/angles"].attrs["unit"] != "rad":
                    raise ValueError("attributes differ")
                if root["images"].chunks != (1, 1, 24, 20, 3):
                    raise ValueError(f"chunks {root['images'].chunks}")

            cases.case(f"h5py {name} -> volconv Zarr v{version} -> zarr-python", convert)

    for dtype in TYPES:
        values = noise((6, 5, 4), dtype)
        source = cases.folder / f"h{dtype}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(values, AFFINE, dtype=values.dtype), source)

        def to_hdf5():
            with h5py.File(cases.convert(source, f"{dtype}.h5"), "r") as file:
                same(numpy.transpose(file["volume"][...]), values)

        cases.case(f"nibabel {dtype} .nii.gz -> volconv .h5 -> h5py", to_hdf5)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--volconv", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cases = Cases(args.volconv, pathlib.Path(folder))
        for part in (nifti, from_zarr, hdf5):
            part(cases)
    print(f"{cases.passed} passed, {cases.failed} failed")
    return 1 if cases.failed else 0


if __name__ == "__main__":
    sys.exit(main())
