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
        return random.integers(info.min, info.max, shape, dtype.newbyteorder("="), endpoint=True).astype(dtype)
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


def nibabel_files(cases):
    """Files of other kinds that nibabel writes, to .nii by volconv; nibabel reads both."""
    wide = noise((9, 8, 7), "i2")
    scaled = nibabel.Nifti1Image(wide, AFFINE)
    scaled.header.set_data_dtype("i2")
    scaled.header.set_slope_inter(0.25, -3)
    big = nibabel.Nifti1Image(wide, AFFINE, header=nibabel.Nifti1Header(endianness=">"), dtype="i2")
    files = [
        ("scaled .nii", "scaled.nii", scaled),
        ("big-endian .nii.gz", "big.nii.gz", big),
        ("NIfTI-2", "two.nii", nibabel.Nifti2Image(wide, AFFINE, dtype="i2")),
        ("pair", "pair.hdr", nibabel.Nifti1Pair(wide, AFFINE, dtype="i2")),
        ("of four axes", "four.nii.gz", nibabel.Nifti1Image(noise((5, 4, 3, 6), "f4"), AFFINE)),
    ]
    for dtype in ("u1", "i2", "i4", "f4"):
        for suffix in ("mgh", "mgz"):
            files.append((f"{dtype} .{suffix}", f"{dtype}_own.{suffix}", nibabel.MGHImage(noise((9, 8, 7), dtype), AFFINE)))
    for name, file, image in files:
        source = cases.folder / file
        nibabel.save(image, source)

        def to_nifti():
            wanted, got = nibabel.load(source), nibabel.load(cases.convert(source, "from_nibabel.nii"))
            same(got.get_fdata(), wanted.get_fdata(), got.affine, AFFINE)

        cases.case(f"nibabel {name} -> volconv .nii -> nibabel", to_nifti)


def ome(cases):
    """OME-Zarr 0.4 and 0.5: images that zarr-python wrote, and pyramids that volconv wrote."""
    values = noise((12, 10, 8), "u2")
    axes = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]

    def level(number):
        scale, shift = [2.5 * 2**number, 1.5 * 2**number, 0.5 * 2**number], [7.0, 8.0, 9.0]
        transforms = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]
        return {"path": str(number), "coordinateTransformations": transforms}

    for version, zarr_format in (("0.4", 2), ("0.5", 3)):
        store = cases.folder / f"ome{zarr_format}.zarr"
        root = zarr.create_group(store, zarr_format=zarr_format)
        image = {"name": "image", "axes": axes, "datasets": [level(0), level(1)]}
        if zarr_format == 2:
            root.attrs["multiscales"] = [{**image, "version": version}]
        else:
            root.attrs["ome"] = {"version": version, "multiscales": [image]}
        for number in (0, 1):
            part = values[:: number + 1, :: number + 1, :: number + 1]
            root.create_array(str(number), shape=part.shape, dtype="u2", chunks=(4, 4, 4))[...] = part

        def finest():
            got = nibabel.load(cases.convert(store, "ome.nii"))
            wanted = numpy.array([[0.5, 0, 0, 9], [0, 1.5, 0, 8], [0, 0, 2.5, 7], [0, 0, 0, 1]])
            same(numpy.transpose(numpy.asanyarray(got.dataobj)), values, got.affine, wanted)

        def coarser():
            got = nibabel.load(cases.convert(store, "ome1.nii", "--dataset", "1"))
            same(numpy.transpose(numpy.asanyarray(got.dataobj)), values[::2, ::2, ::2])

        cases.case(f"zarr-python OME-Zarr {version} -> volconv .nii -> nibabel", finest)
        cases.case(f"zarr-python OME-Zarr {version}, second level -> volconv .nii -> nibabel", coarser)

        def pyramid():
            source = cases.folder / "image.nii"
            spacing = numpy.diag([0.5, 1.5, 2.5, 1.0])
            spacing[:3, 3] = 9, 8, 7
            large = noise((160, 40, 30), "u1")
            nibabel.save(nibabel.Nifti1Image(large, spacing), source)
            options = ["--zarr-version", str(zarr_format), "--downsampling", "nearest"]
            root = zarr.open_group(cases.convert(source, f"w{zarr_format}.ome.zarr", *options), mode="r")
            attributes = root.attrs["ome"] if zarr_format == 3 else root.attrs
            image = attributes["multiscales"][0]
            if (attributes if zarr_format == 3 else image)["version"] != version:
                raise ValueError(f"version of {dict(attributes)}")
            if [axis["name"] for axis in image["axes"]] != ["z", "y", "x"] or len(image["datasets"]) != 2:
                raise ValueError(f"axes or levels of {image}")
            same(numpy.transpose(root[image["datasets"][0]["path"]][...]), large)
            same(numpy.transpose(root[image["datasets"][1]["path"]][...]), large[::2, ::2, ::2])
            for data_set, scale, shift in zip(image["datasets"], ([2.5, 1.5, 0.5], [5, 3, 1]),
                                              ([7, 8, 9], [8.25, 8.75, 9.25])):
                transforms = {t["type"]: t[t["type"]] for t in data_set["coordinateTransformations"]}
                if not numpy.allclose(transforms["scale"], scale) or not numpy.allclose(transforms["translation"], shift):
                    raise ValueError(f"transforms {transforms}, expected {scale} and {shift}")

        cases.case(f"nibabel .nii -> volconv OME-Zarr {version} -> zarr-python", pyramid)


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

    for dtype in TYPES + ["u8", "i8", "f2", "c8", ">i2", ">f4"]:
        values = noise((9, 8, 7), dtype)
        source = cases.folder / "one.h5"
        with h5py.File(source, "w") as file:
            file.create_dataset("scan", data=values, chunks=(4, 4, 4), compression="gzip", shuffle=True)

        def to_npy():
            got = numpy.load(cases.convert(source, "one.npy"))
            same(numpy.transpose(got), values.astype(values.dtype.newbyteorder("=")))

        cases.case(f"h5py {dtype} -> volconv .npy -> numpy", to_npy)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--volconv", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cases = Cases(args.volconv, pathlib.Path(folder))
        for part in (nifti, nibabel_files, from_zarr, ome, hdf5):
            part(cases)
    print(f"{cases.passed} passed, {cases.failed} failed")
    return 1 if cases.failed else 0


if __name__ == "__main__":
    sys.exit(main())
