"""Batches on which f32 and f64 take the same side of every ReLU.

An activation near zero may fall on the other side of it in f32. That is no fault of an implementation, and yet it
changes gradients by up to a tenth in a network as small as the golden ones. So batches are chosen on which the
activation nearest to zero is as many rounding errors away from it as can be had.
"""

import contextlib

import numpy as np
import torch

# How many batches are looked at for the first step, which the gradients come from, and for each later one.
FIRST_CANDIDATES = 60
LATER_CANDIDATES = 16


@contextlib.contextmanager
def probing(network, collect):
    """Hands every ReLU's input to `collect` and leaves running statistics alone."""
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    handles = [
        module.register_forward_pre_hook(lambda _, inputs: collect(inputs[0].detach()))
        for module in network.modules()
        if isinstance(module, torch.nn.ReLU)
    ]
    for norm in norms:
        norm.track_running_stats = False
    try:
        with torch.no_grad():
            yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        for handle in handles:
            handle.remove()


def relu_inputs(network, images):
    collected = []
    with probing(network, lambda values: collected.append(values.double().clone())):
        network(images)
    return collected


def rounding_errors(double, single, images):
    """The root mean square difference between f32 and f64 at each ReLU's input."""
    pairs = zip(relu_inputs(double, images.double()), relu_inputs(single, images.float()), strict=True)
    return [float((a - b).pow(2).mean().sqrt()) for a, b in pairs]


def margin(network, images, errors):
    """How many rounding errors the activation nearest to zero is away from it."""
    nearest = []
    with probing(network, lambda values: nearest.append(float(values.abs().min()))):
        network(images)
    return float(np.min(np.array(nearest) / np.array(errors)))


def best_batch(network, make_images, errors, step, used):
    """The index of the batch with the widest margin among the step's candidates, without those used before."""
    count = FIRST_CANDIDATES if step == 0 else LATER_CANDIDATES
    candidates = [index for index in range(count + len(used)) if index not in used][:count]
    margins = {index: margin(network, make_images(index), errors) for index in candidates}
    best = max(margins, key=margins.get)
    print(f"  step {step}: batch {best}, {margins[best]:.1f} rounding errors from the nearest kink", flush=True)
    return best
