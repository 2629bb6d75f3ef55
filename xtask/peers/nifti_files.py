"""Reads and writes .nii.gz files of 256^3 voxels with volkit, nibabel and SimpleITK in turn, warm, and prints milliseconds,
ratios of medians and, for written files, their sizes."""

import argparse
import gzip
import pathlib
import statistics
import subprocess
import time

import nibabel
import numpy as np
import SimpleITK

SIDE = 256
SEED = 1
# The first whose file is not larger than what nibabel writes (its level 1), and the default of the library.
OUR_LEVEL, OUR_DEFAULT_LEVEL = "2", "6"


def phantom():
    """A head: nested ellipsoids with texture and noise on a background of weak noise (int16), and its labels (uint8)."""
    rng = np.random.default_rng(SEED)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, SIDE, dtype=np.float32)] * 3, indexing="ij", sparse=True)
    wobble = 0.06 * np.sin(9 * x + 4 * y) * np.cos(7 * z) + 0.03 * np.sin(23 * y) * np.sin(19 * z + 5 * x)
    radius = np.sqrt((x / 0.75) ** 2 + (y / 0.9) ** 2 + (z / 0.8) ** 2) + wobble
    shells = np.digitize(radius, [0.2, 0.35, 0.5, 0.62, 0.75, 0.85, 0.95])
    side = (x > 0).astype(np.uint8) * 20
    labels = np.where(radius < 0.95, shells + 1 + side, 0).astype(np.uint8)
    tissue = np.array([900, 700, 420, 650, 300, 150, 800, 0], dtype=np.float32)[shells]
    noise = rng.normal(0, 1, (SIDE,) * 3).astype(np.float32)
    scan = np.abs(tissue + np.where(radius < 0.95, 25, 4) * noise)
    return scan.astype(np.int16), labels


def ours(args, program):
    out = subprocess.run([program, *args], check=True, capture_output=True, text=True).stdout
    return [float(line) for line in out.split()]


def timed(action):
    start = time.perf_counter()
    result = action()
    del result
    return (time.perf_counter() - start) * 1e3


def compare(title, contestants, runs):
    """In turn, so that a busy machine slows all alike; the first run of each is left out."""
    times = {name: [] for name in contestants}
    for number in range(runs + 1):
        for name, action in contestants.items():
            took = action()
            if number:
                times[name].append(took)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"\n{title}")
    base = medians["volkit"]
    for name, values in times.items():
        runs_text = " ".join(f"{value:.0f}" for value in values)
        print(f"  {name:<24} {medians[name]:8.1f} ms  {medians[name] / base:5.2f}x ours   runs: {runs_text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iotime", required=True, help="our program")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--threads", required=True)
    parser.add_argument("--out", required=True, help="folder for files")
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(int(args.threads))
    scan, labels = phantom()
    scan_path, label_path = out / "scan.nii.gz", out / "labels.nii.gz"
    # Of another stem: where `scan.nii` lies beside `scan.nii.gz`, SimpleITK reads that in its place.
    plain_path = out / "plain.nii"
    (out / "scan.nii").unlink(missing_ok=True)
    for array, path in [(scan, scan_path), (scan, plain_path), (labels, label_path)]:
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    print(f"scan {scan_path.stat().st_size >> 10} KiB, labels {label_path.stat().st_size >> 10} KiB, made by nibabel")

    def once(*words):
        return lambda: ours([*words[:-1], "2", *([words[-1]] if words[-1] else [])], args.iotime)[1]

    for title, path in [("read int16 256^3, .nii.gz", scan_path), ("read int16 256^3, .nii", plain_path)]:
        compare(title, {
            "volkit": once("read", str(path), ""),
            "nibabel": lambda path=path: timed(lambda: np.array(np.asanyarray(nibabel.load(path).dataobj))),
            "SimpleITK": lambda path=path: timed(lambda: SimpleITK.ReadImage(str(path))),
        }, args.runs)
    compare("read int16 256^3 as float32, .nii.gz", {
        "volkit": once("read", str(scan_path), "f32"),
        "nibabel": lambda: timed(lambda: nibabel.load(scan_path).get_fdata(dtype=np.float32)),
        "SimpleITK": lambda: timed(lambda: SimpleITK.ReadImage(str(scan_path), SimpleITK.sitkFloat32)),
    }, args.runs)
    image = nibabel.Nifti1Image(labels, np.eye(4))
    sitk_image = SimpleITK.GetImageFromArray(labels.T)
    default_name = f"volkit, level {OUR_DEFAULT_LEVEL}"
    names = ["volkit", default_name, "nibabel", "SimpleITK"]
    written = {name: out / f"labels_{name.replace(', level ', '_')}.nii.gz" for name in names}

    def write(name, level):
        return lambda: ours(["write", str(label_path), str(written[name]), "2", level], args.iotime)[1]

    compare(f"write labels uint8 256^3, .nii.gz (ours at level {OUR_LEVEL})", {
        "volkit": write("volkit", OUR_LEVEL),
        default_name: write(default_name, OUR_DEFAULT_LEVEL),
        "nibabel": lambda: timed(lambda: nibabel.save(image, written["nibabel"])),
        "SimpleITK": lambda: timed(lambda: SimpleITK.WriteImage(sitk_image, str(written["SimpleITK"]), True)),
    }, args.runs)
    for name, path in written.items():
        print(f"  {name:<24} {path.stat().st_size >> 10} KiB")
    same = np.array_equal(np.asarray(nibabel.load(written["volkit"]).dataobj), labels)
    with gzip.open(written["volkit"]) as stream:
        stream.read()
    print(f"nibabel reads our labels back {'as they were' if same else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
