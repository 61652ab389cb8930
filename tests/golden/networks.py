"""Golden results of whole networks: outputs, gradients, running statistics, ten steps of SGD."""

import dataclasses

import numpy as np
import torch
import torchvision

import formula
import margins
from digest import digest, number

NETWORKS = {
    "resnet18": torchvision.models.resnet18,
    "resnet34": torchvision.models.resnet34,
    "resnet50": torchvision.models.resnet50,
    "resnext50_32x4d": torchvision.models.resnext50_32x4d,
}
CLASSES = 10
BATCH = 4
SIZE = 48
STEPS = 10
LEARNING_RATE = 1e-3
MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a run computes."""

    dtype: torch.dtype
    memory_format: torch.memory_format = torch.contiguous_format
    with_library: bool = True
    is_reversed: bool = False

    def tensor(self, values):
        made = torch.from_numpy(np.ascontiguousarray(values)).to(self.dtype)
        return made.to(memory_format=self.memory_format) if made.dim() == 4 else made

    def in_order(self, samples):
        """Samples in the formula's order from the run's, or the other way round."""
        return samples[::-1].copy() if self.is_reversed else samples


DOUBLE = Setting(torch.float64)

# PyTorch's f32 result is not one but many: it depends on layout, library and the order of the samples, which changes
# nothing but the order of sums. The file keeps the largest distance.
SINGLES = [
    Setting(torch.float32, memory_format, with_library, is_reversed)
    for memory_format, with_library in (
        (torch.contiguous_format, True),
        (torch.channels_last, True),
        (torch.contiguous_format, False),
    )
    for is_reversed in (False, True)
]


def make_network(name, setting):
    network = NETWORKS[name](num_classes=CLASSES).to(setting.dtype)
    state = {
        key: value if key.endswith("num_batches_tracked") else setting.tensor(formula.parameter(key, tuple(value.shape)))
        for key, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.to(memory_format=setting.memory_format)


def batch(index, setting):
    images = formula.unit(f"input/{index}", (BATCH, 3, SIZE, SIZE))
    labels = formula.classes(f"labels/{index}", BATCH, CLASSES)
    return setting.tensor(setting.in_order(images)), torch.from_numpy(setting.in_order(labels))


def copied(tensors):
    return {key: value.detach().numpy().astype(np.float64).copy() for key, value in tensors}


def statistics(network):
    return copied((key, value) for key, value in network.named_buffers() if "running" in key)


def choose_batches(name):
    """One batch a step, each chosen with the parameters that the steps before it leave."""
    network = make_network(name, DOUBLE).train()
    errors = margins.rounding_errors(network, make_network(name, SINGLES[0]).train(), batch(0, DOUBLE)[0])
    optimizer = make_optimizer(network)
    chosen = []
    for step in range(STEPS):
        index = margins.best_batch(network, lambda index: batch(index, DOUBLE)[0], errors, step, chosen)
        chosen.append(index)
        train_step(network, optimizer, *batch(index, DOUBLE))
    return chosen


def make_optimizer(network):
    return torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)


def train_step(network, optimizer, images, labels):
    """The loss before the step."""
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def run(name, batches, setting):
    """Everything that the file digests, as f64 arrays."""
    with torch.backends.mkldnn.flags(enabled=setting.with_library):
        return run_once(name, batches[0], setting) | {"sgd": run_sgd(name, batches, setting)}


def run_once(name, index, setting):
    network = make_network(name, setting)
    images, labels = batch(index, setting)
    network.eval()
    with torch.no_grad():
        eval_logits = network(images)
    network.train()
    train_logits = network(images)
    loss = torch.nn.functional.cross_entropy(train_logits, labels)
    loss.backward()
    return {
        "eval_logits": setting.in_order(eval_logits.numpy().astype(np.float64)),
        "train_logits": setting.in_order(train_logits.detach().numpy().astype(np.float64)),
        "loss": loss.item(),
        "gradients": copied((key, value.grad) for key, value in network.named_parameters()),
        "statistics": statistics(network),
    }


def run_sgd(name, batches, setting):
    network = make_network(name, setting).train()
    first = copied(network.named_parameters())
    optimizer = make_optimizer(network)
    losses = [train_step(network, optimizer, *batch(index, setting)) for index in batches]
    last = copied(network.named_parameters())
    return {
        "losses": losses,
        "parameters": last,
        "movements": {key: value - first[key] for key, value in last.items()},
        "statistics": statistics(network),
    }


def digests(expected, singles):
    return {key: digest(value, [single[key] for single in singles]) for key, value in expected.items()}


def golden(name):
    """The content of the network's file."""
    batches = choose_batches(name)
    expected = run(name, batches, DOUBLE)
    singles = [run(name, batches, setting) for setting in SINGLES]
    sgd, sgd_singles = expected["sgd"], [single["sgd"] for single in singles]
    return {
        "network": name,
        "classes": CLASSES,
        "batch": BATCH,
        "size": SIZE,
        "batches": batches,
        "eval_logits": digest(expected["eval_logits"], [single["eval_logits"] for single in singles]),
        "train_logits": digest(expected["train_logits"], [single["train_logits"] for single in singles]),
        "loss": number(expected["loss"], [single["loss"] for single in singles]),
        "gradients": digests(expected["gradients"], [single["gradients"] for single in singles]),
        "statistics": digests(expected["statistics"], [single["statistics"] for single in singles]),
        "sgd": {
            "learning_rate": LEARNING_RATE,
            "momentum": MOMENTUM,
            "losses": [
                number(loss, [single["losses"][step] for single in sgd_singles])
                for step, loss in enumerate(sgd["losses"])
            ],
            "parameters": digests(sgd["parameters"], [single["parameters"] for single in sgd_singles]),
            "movements": digests(sgd["movements"], [single["movements"] for single in sgd_singles]),
            "statistics": digests(sgd["statistics"], [single["statistics"] for single in sgd_singles]),
        },
    }
