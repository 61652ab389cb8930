"""Runs the Python of docs/export.md on exported models: `export_check.py PAGE FOLDER`.

FOLDER has what `export_cases` and `fastlearn export` left: `cases.json`, and for each case its exports and the logits
that we compute. Every key has to match and every logit has to be ours.
"""

import json
import pathlib
import re
import sys
import traceback

import numpy
import onnx
import onnxruntime
import torch
from safetensors.torch import load_file

# The bound on a logit, relative to the largest where that is above 1.
TOLERANCE = 1e-4
# What models::onnx::OPSET states.
OPSET = 17


def page_functions(page):
    """All Python of the page, executed as it stands there."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    names = {}
    for block in blocks:
        exec(compile(block, page.name, "exec"), names)
    return names


def compare(what, found, expected):
    found, expected = numpy.asarray(found), numpy.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, not {expected.shape}"
    distance = float(numpy.abs(found - expected).max())
    bound = TOLERANCE * max(1.0, float(numpy.abs(expected).max()))
    assert distance <= bound, f"{what}: the logits differ by {distance}, more than {bound}"
    return distance


def check_torch(case, folder, names, pictures, expected):
    load = names["load_learner" if case["kind"] == "learner" else "load_plain"]
    path, classes = folder / f"{case['name']}.pth", len(case["classes"])
    model = load(path, case["arch"], classes)
    with torch.no_grad():
        distance = compare("torchvision", model(torch.from_numpy(pictures)), expected)

    # The other container has the same tensors of the same types, and strictly loads as well.
    written, other = torch.load(path, weights_only=True), load_file(folder / f"{case['name']}.torch.safetensors")
    assert written.keys() == other.keys() == model.state_dict().keys()
    for name, tensor in written.items():
        assert tensor.dtype == other[name].dtype == model.state_dict()[name].dtype, name
        assert torch.equal(tensor, other[name]), name
    model.load_state_dict(other, strict=True)
    return distance


def check_onnx(case, folder, names, pictures, expected):
    path = str(folder / f"{case['name']}.onnx")
    onnx.checker.check_model(path, full_check=True)
    assert onnx.load(path, load_external_data=False).opset_import[0].version == OPSET

    session = onnxruntime.InferenceSession(path)
    distance = 0.0
    for count in range(1, len(pictures) + 1):
        found = session.run(["logits"], {"pictures": pictures[:count]})[0]
        distance = max(distance, compare(f"onnxruntime, batch {count}", found, expected[:count]))
    wide = numpy.zeros((1, 3, 96, 64), dtype=numpy.float32)
    assert session.run(None, {"pictures": wide})[0].shape == expected[:1].shape

    facts = session.get_modelmeta().custom_metadata_map
    assert facts["architecture"] == case["arch"]
    logits, classes = names["load_onnx"](path)
    if case["kind"] == "learner":
        assert classes == case["classes"] and facts["size"] == str(case["size"])
        activation = {"one": "softmax", "several": "sigmoid"}[case["labels"]]
        assert (facts["labels"], facts["activation"]) == (case["labels"], activation)
    # The page normalises bytes as the file says; undoing that gives back the batch, rounded to bytes.
    grey = numpy.full((1, 64, 64, 3), 128, dtype=numpy.uint8)
    mean, std = (numpy.array(json.loads(facts[key])).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    normalised = numpy.broadcast_to((128 / 255 - mean) / std, (1, 3, 64, 64)).astype(numpy.float32)
    compare("the page's normalisation", logits(grey), session.run(None, {"pictures": normalised})[0])
    return distance


def main():
    page, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    names = page_functions(page)
    passed = failed = 0
    for case in json.loads((folder / "cases.json").read_text()):
        ours = load_file(folder / f"{case['name']}.logits.safetensors")
        pictures, expected = ours["pictures"].numpy(), ours["logits"].numpy()
        for title, check in (("PyTorch", check_torch), ("ONNX", check_onnx)):
            try:
                distance = check(case, folder, names, pictures, expected)
            except Exception:  # One wrong file must not hide the others.
                failed += 1
                print(f"{case['name']:32} {title:8} FAILED")
                traceback.print_exc()
            else:
                passed += 1
                print(f"{case['name']:32} {title:8} largest distance {distance:.1e}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
