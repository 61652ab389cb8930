"""Makes the golden files: `cargo xtask golden [NAME...]`. README.md beside it says what is in them."""

import json
import pathlib
import sys
import time

import torch

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import checkpoints  # noqa: E402
import networks  # noqa: E402
import operations  # noqa: E402

FOLDER = pathlib.Path(__file__).parent


def write(name, content):
    """Writes beside the file and renames, so that no half-written file is left."""
    made_with = {"made_with": f"PyTorch {torch.__version__.split('+')[0]}, f64"}
    partial = FOLDER / f".{name}.json.partial"
    partial.write_text(json.dumps(made_with | content, separators=(",", ":")) + "\n")
    partial.replace(FOLDER / f"{name}.json")


def write_checkpoints():
    """What PyTorch saves, byte for byte: files of its own kind instead of JSON."""
    for name, zipped in (("legacy", False), ("zip", True)):
        partial = FOLDER / f".{name}.pth.partial"
        partial.write_bytes(checkpoints.checkpoint(zipped))
        partial.replace(FOLDER / f"{name}.pth")


def main():
    makers = {name: lambda name=name: networks.golden(name) for name in networks.NETWORKS}
    makers["ops"] = operations.golden
    names = sys.argv[1:] or [*makers, "checkpoints"]
    if "checkpoints" in names:
        names.remove("checkpoints")
        write_checkpoints()
    for name in names:
        if name not in makers:
            sys.exit(f"there is no golden file {name}; the files are {', '.join(makers)}, checkpoints")
    for name in names:
        start = time.perf_counter()
        write(name, makers[name]())
        size = (FOLDER / f"{name}.json").stat().st_size
        print(f"{name}: {size / 1000:.0f} kB in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
