"""PyTorch's training or inference rate on this machine's processor, as one line of JSON.

Eager mode, in the default and in the channels-last layout; the faster of the two is reported. A training step is
forward, cross entropy, backward and SGD with momentum; an inference step is forward in eval mode without gradients.
Each layout is measured in a process of its own; `peak_bytes` is its largest resident size above that
before the network was made.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import time

import torch
import torchvision

LAYOUTS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="resnet34")
    parser.add_argument("--mode", choices=["train", "infer"], default="train")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=3)
    return parser.parse_args()


def make_step(arguments, memory_format):
    """A function that makes one step on fixed data."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(arguments.arch, weights=None).to(memory_format=memory_format)
    images = torch.randn(arguments.batch, 3, arguments.size, arguments.size).to(memory_format=memory_format)
    if arguments.mode == "infer":
        network.eval()

        @torch.inference_mode()
        def infer():
            network(images)

        return infer
    labels = torch.randint(0, 1000, (arguments.batch,))
    loss_function = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)

    def train():
        optimizer.zero_grad(set_to_none=True)
        loss_function(network(images), labels).backward()
        optimizer.step()

    return train


def measure(arguments, layout):
    """The duration of each measured step, in seconds, and the memory that they took."""
    torch.set_num_threads(arguments.threads)
    before = peak_bytes()
    step = make_step(arguments, LAYOUTS[layout])
    for _ in range(arguments.warmup):
        step()
    seconds = []
    for _ in range(arguments.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds, peak_bytes() - before


def peak_bytes():
    # Linux counts in KiB, macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main():
    arguments = parse_arguments()
    measured = {}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh_processes:
        for layout in LAYOUTS:
            measured[layout] = fresh_processes.apply(measure, (arguments, layout))
    best = min(measured, key=lambda layout: statistics.median(measured[layout][0]))
    seconds, peak = measured[best]
    measurement = {
        "images_per_second_median": arguments.batch / statistics.median(seconds),
        "step_seconds": seconds,
        "peak_bytes": peak,
        "variant": f"torch {torch.__version__} {best}",
    }
    print(json.dumps(measurement))


if __name__ == "__main__":
    main()
