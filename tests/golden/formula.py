"""The one formula for weights, inputs and targets. Its twin is formula.rs; the two give the same bits.

A value depends on a name and an element's index alone: splitmix64 of (FNV-1a of the name, index). Every number is
rounded to f32, so that a network in f32 and one in f64 compute with equal values.
"""

import numpy as np

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def key(name):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def hashed(name, count):
    """`count` 64-bit numbers: the splitmix64 stream that starts at the name's key."""
    with np.errstate(over="ignore"):
        z = np.uint64(key(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, count):
    """Uniform in [-1, 1), in steps of 2^-23, which f32 holds exactly."""
    return (hashed(name, count) >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


def rounded(values):
    """f64 values that f32 holds exactly."""
    return values.astype(np.float32).astype(np.float64)


def unit(name, shape):
    """Inputs and upstream gradients: mean 0, variance 1."""
    return rounded(np.sqrt(3.0) * uniform(name, int(np.prod(shape)))).reshape(shape)


def parameter(name, shape):
    """A network's parameter or running statistic by the end of its name and its rank, in PyTorch's order.

    A norm's bias is far from zero, with the same sign for a channel throughout a network: few activations are then near
    zero, where f32 and f64 may take different sides of a ReLU, and no channel's variance all but vanishes.
    """
    count = int(np.prod(shape))
    u = uniform(name, count)
    *_, owner, last = ["", *name.split(".")]
    if len(shape) == 4:
        values = np.sqrt(6.0 / float(np.prod(shape[1:]))) * u
    elif len(shape) == 2:
        values = np.sqrt(3.0 / float(shape[1])) * u
    elif last == "weight":
        values = 1.0 + 0.2 * u
    elif last == "running_var":
        values = 2.0 + u
    elif last == "running_mean" or (last == "bias" and owner.startswith(("fc", "linear"))):
        values = 0.1 * u
    elif last == "bias":
        values = np.where(uniform("sign", count) < 0.0, -2.0, 2.0) + 0.5 * u
    else:
        raise ValueError(f"no formula for the parameter {name} of shape {shape}")
    return rounded(values).reshape(shape)


def classes(name, count, number_of_classes):
    """Class indices."""
    return (hashed(name, count) % np.uint64(number_of_classes)).astype(np.int64)


def mixed(name, count, number_of_classes):
    """Soft targets: three quarters of one class and one quarter of another, which may be the same."""
    targets = np.zeros((count, number_of_classes))
    for share, part in ((0.75, "first"), (0.25, "second")):
        targets[np.arange(count), classes(f"{name}/{part}", count, number_of_classes)] += share
    return targets


def weights(name, count):
    """Weights of samples, between a half and one and a half."""
    return rounded(1.0 + 0.5 * uniform(name, count))


def bits(name, shape):
    """Targets of several labels a sample: 0 or 1."""
    return (uniform(name, int(np.prod(shape))) > 0.0).astype(np.float64).reshape(shape)
