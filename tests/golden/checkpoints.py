"""Small `.pth` files as PyTorch writes them: one checkpoint in both containers that it still knows."""

import io
from collections import OrderedDict

import torch

import formula


def state():
    """Parameters, views of shared storages, other layouts and element types, as `DataParallel` names them."""

    def value(name, shape):
        return torch.from_numpy(formula.parameter(name, shape)).float()

    weight = value("conv1.weight", (4, 3, 3, 3)).to(memory_format=torch.channels_last)
    statistics = torch.cat([value("bn1.running_mean", (4,)), value("bn1.running_var", (4,))])
    entries = OrderedDict()
    entries["conv1.weight"] = torch.nn.Parameter(weight)
    entries["bn1.running_mean"], entries["bn1.running_var"] = statistics[:4], statistics[4:]
    entries["bn1.num_batches_tracked"] = torch.tensor(1234567)
    entries["fc.weight"] = value("fc.weight", (5, 4)).t().contiguous().t()
    entries["fc.bias"] = torch.nn.Parameter(value("fc.bias", (5,)).double())
    entries["half.weight"] = value("half.weight", (6,)).half()
    entries["brain.weight"] = value("brain.weight", (6,)).bfloat16()
    return OrderedDict((f"module.{name}", tensor) for name, tensor in entries.items())


def checkpoint(zipped):
    """The bytes of the file."""
    file = io.BytesIO()
    content = {"epoch": 90, "best": 91.78, "state_dict": state(), "optimizer": {"state": {}, "lr": 0.1}}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()
