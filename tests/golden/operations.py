"""Golden results of single operations: losses, poolings, batch norm, the lesson's head, optimisers.

A case's tensors come from the formula under the names `CASE/TENSOR`; `inputs` gives their shapes.
"""

import numpy as np
import torch
import torch.nn.functional as F

import formula
from digest import digest, number

EPSILON = 1e-5
STATISTICS_MOMENTUM = 0.1
OPTIMIZER_STEPS = 5
OPTIMIZER_LENGTH = 100


def both(function):
    """Runs `function(dtype)` in f64 and f32 and digests what it returns: tensors, or numbers."""
    expected, single = function(torch.float64), function(torch.float32)
    made = {}
    for key, value in expected.items():
        value, other = (tensor.detach().double().numpy() for tensor in (value, single[key]))
        made[key] = number(value, [other]) if value.ndim == 0 else digest(value, [other])
    scalars = {key for key, value in expected.items() if value.ndim == 0}
    return {
        "numbers": {key: value for key, value in made.items() if key in scalars},
        "tensors": {key: value for key, value in made.items() if key not in scalars},
    }


def leaf(values, dtype):
    return torch.from_numpy(np.ascontiguousarray(values)).to(dtype).requires_grad_()


def fixed(values, dtype):
    return torch.from_numpy(np.ascontiguousarray(values)).to(dtype)


def case(name, inputs, function, **arguments):
    return {"name": name, "inputs": inputs, "arguments": arguments, **both(function)}


def loss_case(name, shape, values_of, weighted):
    """Per-sample values, their (weighted) mean over the batch and its gradient on the logits."""
    inputs = {"logits": list(shape)} | ({"weights": [shape[0]]} if weighted else {})

    def function(dtype):
        logits = leaf(formula.unit(f"{name}/logits", shape), dtype)
        values = values_of(logits, dtype)
        if weighted:
            values = values * fixed(formula.weights(f"{name}/weights", shape[0]), dtype)
        loss = values.mean()
        loss.backward()
        return {"values": values, "loss": loss, "gradient": logits.grad}

    return case(name, inputs, function)


def losses():
    shape = (6, 10)
    cases = []
    for weighted in (False, True):
        suffix = "_weighted" if weighted else ""

        def class_values(logits, dtype, name=f"nll_classes{suffix}"):
            targets = torch.from_numpy(formula.classes(f"{name}/targets", *shape))
            return F.nll_loss(F.log_softmax(logits, 1), targets, reduction="none")

        def soft_values(logits, dtype, name=f"nll_soft{suffix}"):
            targets = fixed(formula.mixed(f"{name}/targets", *shape), dtype)
            return F.cross_entropy(logits, targets, reduction="none")

        def bit_values(logits, dtype, name=f"bce{suffix}"):
            targets = fixed(formula.bits(f"{name}/targets", shape), dtype)
            return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)

        cases.append(loss_case(f"nll_classes{suffix}", shape, class_values, weighted))
        cases.append(loss_case(f"nll_soft{suffix}", shape, soft_values, weighted))
        cases.append(loss_case(f"bce{suffix}", shape, bit_values, weighted))
    return cases


def pooling_case(name, shape, pool, **arguments):
    with torch.no_grad():
        output_shape = list(pool(torch.zeros(shape)).shape)

    def function(dtype):
        images = leaf(formula.unit(f"{name}/input", shape), dtype)
        output = pool(images)
        output.backward(fixed(formula.unit(f"{name}/upstream", output_shape), dtype))
        return {"output": output, "gradient": images.grad}

    return case(name, {"input": list(shape), "upstream": output_shape}, function, **arguments)


def poolings():
    cases = []
    for kernel, stride, padding in ((3, 2, 1), (2, 2, 0), (5, 3, 2), (3, 1, 1), (2, 3, 1)):
        cases.append(
            pooling_case(
                f"max_pool_{kernel}_{stride}_{padding}",
                (2, 5, 11, 8),
                lambda images, k=kernel, s=stride, p=padding: F.max_pool2d(images, k, s, p),
                kernel=kernel,
                stride=stride,
                padding=padding,
            )
        )
    shape = (3, 7, 5, 4)
    cases.append(pooling_case("global_average_pool", shape, lambda images: images.mean((2, 3))))
    cases.append(pooling_case("global_max_pool", shape, lambda images: images.amax((2, 3))))
    return cases


def norm_case(name, shape, is_training):
    channels = [shape[1]]

    def function(dtype):
        images = leaf(formula.unit(f"{name}/input", shape), dtype)
        weight = leaf(formula.parameter(f"{name}/norm.weight", channels), dtype)
        bias = leaf(formula.parameter(f"{name}/norm.bias", channels), dtype)
        mean = fixed(formula.parameter(f"{name}/norm.running_mean", channels), dtype)
        variance = fixed(formula.parameter(f"{name}/norm.running_var", channels), dtype)
        output = F.batch_norm(images, mean, variance, weight, bias, is_training, STATISTICS_MOMENTUM, EPSILON)
        output.backward(fixed(formula.unit(f"{name}/upstream", shape), dtype))
        return {
            "output": output,
            "gradient": images.grad,
            "gradient norm.weight": weight.grad,
            "gradient norm.bias": bias.grad,
            "norm.running_mean": mean,
            "norm.running_var": variance,
        }

    inputs = {"input": list(shape), "upstream": list(shape)}
    inputs |= {f"norm.{part}": channels for part in ("weight", "bias", "running_mean", "running_var")}
    return case(name, inputs, function, epsilon=EPSILON, momentum=STATISTICS_MOMENTUM)


def norms():
    return [
        norm_case("batch_norm_batch", (4, 6, 5, 3), True),
        norm_case("batch_norm_running", (4, 6, 5, 3), False),
        norm_case("batch_norm_batch_rank_2", (9, 6, 1, 1), True),
    ]


def head():
    """fastai's head without dropout: [max, average] pool, norm, linear 512, ReLU, norm, linear, log-softmax and NLL."""
    name, shape, hidden, classes = "head", (8, 16, 3, 3), 512, 10
    features = 2 * shape[1]
    shapes = {
        "linear1.weight": [hidden, features],
        "linear1.bias": [hidden],
        "linear2.weight": [classes, hidden],
        "linear2.bias": [classes],
    }
    for norm, width in (("norm1", features), ("norm2", hidden)):
        shapes |= {f"{norm}.{part}": [width] for part in ("weight", "bias", "running_mean", "running_var")}

    def function(dtype):
        tensors = {}
        for key, tensor_shape in shapes.items():
            make = fixed if "running" in key else leaf
            tensors[key] = make(formula.parameter(f"{name}/{key}", tensor_shape), dtype)

        def norm(values, which):
            parts = (tensors[f"{which}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
            return F.batch_norm(values, *parts, True, STATISTICS_MOMENTUM, EPSILON)

        images = leaf(formula.unit(f"{name}/input", shape), dtype)
        pooled = torch.cat([images.amax((2, 3)), images.mean((2, 3))], 1)
        middle = F.linear(norm(pooled, "norm1"), tensors["linear1.weight"], tensors["linear1.bias"])
        logits = F.linear(norm(middle.relu(), "norm2"), tensors["linear2.weight"], tensors["linear2.bias"])
        targets = torch.from_numpy(formula.classes(f"{name}/targets", shape[0], classes))
        loss = F.nll_loss(F.log_softmax(logits, 1), targets)
        loss.backward()
        results = {"logits": logits, "loss": loss, "gradient": images.grad}
        for key, tensor in tensors.items():
            if "running" in key:
                results[key] = tensor
            else:
                results[f"gradient {key}"] = tensor.grad
        return results

    inputs = {"input": list(shape)} | shapes
    return [case(name, inputs, function, classes=classes, hidden=hidden, epsilon=EPSILON, momentum=STATISTICS_MOMENTUM)]


def optimizer_case(name, make, **arguments):
    def function(dtype):
        parameter = leaf(formula.unit(f"{name}/parameter", (OPTIMIZER_LENGTH,)), dtype)
        optimizer = make([parameter])
        for step in range(OPTIMIZER_STEPS):
            parameter.grad = fixed(formula.unit(f"{name}/gradient/{step}", (OPTIMIZER_LENGTH,)), dtype)
            optimizer.step()
        return {"parameter": parameter}

    return case(name, {"parameter": [OPTIMIZER_LENGTH]}, function, steps=OPTIMIZER_STEPS, **arguments)


def optimizers():
    sgd = {
        "sgd": {"learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0},
        "sgd_momentum": {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0},
        "sgd_momentum_decay": {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    }
    cases = []
    for name, given in sgd.items():
        def make(parameters, given=given):
            return torch.optim.SGD(
                parameters, lr=given["learning_rate"], momentum=given["momentum"], weight_decay=given["weight_decay"]
            )

        cases.append(optimizer_case(name, make, **given))
    given = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8}
    for name, kind, decay in (
        ("adam", torch.optim.Adam, 0.0),
        ("adam_decay", torch.optim.Adam, 0.1),
        ("adamw_decay", torch.optim.AdamW, 0.1),
    ):
        def make(parameters, kind=kind, decay=decay):
            betas = (given["beta1"], given["beta2"])
            return kind(parameters, lr=given["learning_rate"], betas=betas, eps=given["epsilon"], weight_decay=decay)

        cases.append(optimizer_case(name, make, **given, weight_decay=decay))
    return cases


def golden():
    """The content of ops.json."""
    cases = losses() + poolings() + norms() + head() + optimizers()
    return {"cases": cases}
