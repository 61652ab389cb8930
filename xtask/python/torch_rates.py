"""PyTorch beside our rates on the same chip: repeats every row of the file that `rates` wrote.

usage: torch_rates.py OURS.json THEIRS.json

Kernels run eagerly in bfloat16, pictures channels_last; a whole step runs under autocast, eagerly and compiled. On a
machine without CUDA everything runs on the processor, which shows that the program works and nothing else.
"""

import json
import statistics
import sys
import time

import torch
import torch.nn.functional as functional
import torchvision

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
CLASSES = 1000
WARMUP, ROUNDS, ROUND_SECONDS = (5, 7, 0.02) if CUDA else (1, 1, 0.0)


def synchronize():
    if CUDA:
        torch.cuda.synchronize()


def seconds_of(run):
    """Median seconds of one run, of runs that are given to the device one after another, as ours are."""

    def round_of(runs):
        synchronize()
        start = time.perf_counter()
        for _ in range(runs):
            run()
        synchronize()
        return (time.perf_counter() - start) / runs

    for _ in range(WARMUP):
        run()
    runs = min(max(int(ROUND_SECONDS / round_of(1)) + 1, 1), 10_000)
    return statistics.median(round_of(runs) for _ in range(ROUNDS))


def activations(*shape):
    tensor = torch.randn(*shape, device=DEVICE).to(torch.bfloat16)
    return tensor.to(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def copy(spec):
    source = torch.randn(spec["elements"], device=DEVICE)
    target = torch.empty_like(source)
    return {"eager": lambda: target.copy_(source)}


def matmul(spec):
    left, right = activations(spec["size"], spec["size"]), activations(spec["size"], spec["size"])
    product = torch.empty_like(left)
    return {"eager": lambda: torch.mm(left, right, out=product)}


def conv(spec):
    n, h, w, c = spec["input"]
    pictures = activations(n, c, h, w)
    weights = activations(spec["k"], c // spec["groups"], *spec["kernel"])
    stride, padding, groups = spec["stride"], spec["padding"], spec["groups"]

    def forward():
        return functional.conv2d(pictures, weights, None, stride, padding, 1, groups)

    if spec["direction"] == "forward":
        return {"eager": forward}
    gradient = torch.randn_like(forward())
    of_input = spec["direction"] == "input_gradient"
    mask = [of_input, not of_input, False]

    def backward():
        torch.ops.aten.convolution_backward(
            gradient, pictures, weights, None, stride, padding, [1, 1], False, [0, 0], groups, mask
        )

    return {"eager": backward}


def norm_apply(spec):
    n, h, w, c = spec["shape"]
    pictures = activations(n, c, h, w)
    mean, variance, gamma, beta = (torch.rand(c, device=DEVICE) + 0.5 for _ in range(4))

    def apply(x):
        return functional.relu(functional.batch_norm(x, mean, variance, gamma, beta, training=False))

    runs = {"eager": lambda: apply(pictures)}
    if CUDA:
        compiled = torch.compile(apply)
        runs["compile"] = lambda: compiled(pictures)
    return runs


def optimizer(spec):
    values = torch.nn.Parameter(torch.randn(spec["elements"], device=DEVICE))
    values.grad = torch.randn_like(values)
    options = {"lr": 1e-6, "weight_decay": 1e-4, "fused": CUDA}
    if spec["kind"] == "sgd":
        rule = torch.optim.SGD([values], momentum=0.9, **options)
    else:
        rule = torch.optim.Adam([values], betas=(0.9, 0.99), **options)
    return {"fused" if CUDA else "eager": rule.step}


def step(spec):
    batch, size = spec["batch"], spec["size"]
    network = torchvision.models.get_model(spec["arch"], weights=None)
    network = network.to(DEVICE, memory_format=torch.channels_last)
    pictures = torch.randn(batch, 3, size, size, device=DEVICE).to(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=DEVICE) % CLASSES
    rule = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, fused=CUDA)
    autocast = torch.autocast(DEVICE.type, dtype=torch.bfloat16)

    def training(forward):
        def run():
            rule.zero_grad(set_to_none=True)
            with autocast:
                loss = functional.cross_entropy(forward(pictures), labels)
            loss.backward()
            rule.step()

        return run

    def inference(forward):
        @torch.inference_mode()
        def run():
            with autocast:
                forward(pictures)

        return run

    training_step = spec["mode"] == "train"
    network.train(training_step)
    make = training if training_step else inference
    runs = {"eager": make(network)}
    if CUDA:
        runs["compile"] = make(torch.compile(network))
    return runs


KINDS = {
    "copy": copy,
    "matmul": matmul,
    "conv": conv,
    "norm_apply": norm_apply,
    "sgd": optimizer,
    "adam": optimizer,
    "step": step,
}


def measure(row):
    """Seconds by variant; an error instead of a number where PyTorch cannot do it."""
    variants, errors = {}, {}
    try:
        runs = KINDS[row["spec"]["kind"]](row["spec"])
    except (RuntimeError, ValueError) as error:
        return {"name": row["name"], "seconds": {}, "errors": {"all": str(error)[:300]}}
    for variant, run in runs.items():
        try:
            variants[variant] = seconds_of(run)
        except Exception as error:  # A compiler has many ways to fail; the other variant still counts.
            errors[variant] = f"{type(error).__name__}: {error}"[:300]
    return {"name": row["name"], "seconds": variants, "errors": errors}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        ours = json.load(file)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    result = {"torch": torch.__version__, "device": DEVICE.type, "rows": []}
    if CUDA:
        result["device"] = torch.cuda.get_device_name()
        result["cuda"], result["cudnn"] = torch.version.cuda, torch.backends.cudnn.version()
    for row in ours["rows"]:
        measured = measure(row)
        result["rows"].append(measured)
        told = [f"{variant} {seconds * 1e6:.1f} us" for variant, seconds in measured["seconds"].items()]
        told += [f"{variant}: {error}" for variant, error in measured["errors"].items()]
        print(f"{row['name']:<90} {', '.join(told)}", flush=True)
        torch._dynamo.reset()
        if CUDA:
            torch.cuda.empty_cache()
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
