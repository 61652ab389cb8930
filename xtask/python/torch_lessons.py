"""Two lessons in PyTorch, beside which ours are held: planet's (several tags, three sizes, F2) and breeds' (one class
from a CSV, precomputed activations, two sizes, log loss). Same weights, head, schedule, split and transforms.

usage: torch_lessons.py {planet,breeds} FOLDER WEIGHTS.safetensors [--arch resnet18] [--seed 0]

planet reads FOLDER/tags.csv (image_name,tags); breeds reads FOLDER/labels.csv (id,label) with FOLDER/images and judges by
FOLDER/test_labels.csv with FOLDER/test. Names have no suffix: .jpg is meant. A line a stage goes to standard output.
"""
import argparse
import csv
import math
import pathlib
import random
import time

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as functional
import torchvision
import torchvision.transforms.v2 as transforms
from PIL import Image
from safetensors.torch import load_file

BATCH = 64
NORMALISE = [
    transforms.PILToTensor(),
    transforms.ToDtype(torch.float32, scale=True),
    transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
]


class RandomScale:
    """The shorter side becomes `size`, in three of four cases times a factor of 1 to `most`."""

    def __init__(self, size, most):
        self.size, self.most = size, most

    def __call__(self, picture):
        factor = random.uniform(1, self.most) if random.random() < 0.75 else 1
        return transforms.functional.resize(picture, int(self.size * factor))


class QuarterTurns:
    """None, one, two or three."""

    def __call__(self, picture):
        return picture.rotate(90 * random.randrange(4))


def augmented(size, is_top_down):
    turns = transforms.RandomRotation(10, interpolation=transforms.InterpolationMode.BILINEAR)
    steps = [
        RandomScale(size, 1.05 if is_top_down else 1.1),
        transforms.RandomApply([turns], 0.75),
        transforms.ColorJitter(0.05, 0.05),
        *([QuarterTurns()] if is_top_down else []),
        transforms.RandomHorizontalFlip(),
        transforms.RandomCrop(size),
    ]
    return transforms.Compose(steps + NORMALISE)


def plain(size):
    return transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size)] + NORMALISE)


class Pictures(torch.utils.data.Dataset):
    def __init__(self, files, targets, transform):
        self.files, self.targets, self.transform = files, targets, transform

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return self.transform(Image.open(self.files[index]).convert("RGB")), self.targets[index]


class MaxAndAveragePool(nn.Module):
    def forward(self, x):
        return torch.cat([functional.adaptive_max_pool2d(x, 1), functional.adaptive_avg_pool2d(x, 1)], 1).flatten(1)


class Learner:
    def __init__(self, options, classes, is_several, is_top_down):
        network = getattr(torchvision.models, options.arch)()
        network.load_state_dict(load_file(options.weights), strict=False)
        width = network.fc.in_features * 2
        layers = [network.conv1, network.bn1, network.relu, network.maxpool]
        layers += [network.layer1, network.layer2, network.layer3, network.layer4, MaxAndAveragePool()]
        self.body = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.head = nn.Sequential(
            nn.BatchNorm1d(width), nn.Dropout(0.25), nn.Linear(width, 512), nn.ReLU(),
            nn.BatchNorm1d(512), nn.Dropout(0.5), nn.Linear(512, classes))
        for layer in self.head:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.groups = [list(part.parameters()) for part in (self.body[:6], self.body[6:], self.head)]
        self.is_several, self.is_top_down = is_several, is_top_down
        self.is_frozen = True

    def loss(self, logits, targets):
        if self.is_several:
            return functional.binary_cross_entropy_with_logits(logits, targets)
        return functional.cross_entropy(logits, targets)

    def activations(self, x):
        x = x.contiguous(memory_format=torch.channels_last)
        if self.is_frozen:
            with torch.no_grad():
                return self.body(x)
        return self.body(x)

    def batches(self, files, targets, size, is_training):
        transform = augmented(size, self.is_top_down) if is_training else plain(size)
        return Pictures(files, targets, transform)

    def fit(self, files, targets, size, rates, cycles, multiplier):
        """Cosine annealing with restarts as fastai 0.7 has it: a twentieth of the first cycle at a hundredth."""
        for group, is_frozen in zip(self.groups, (self.is_frozen, self.is_frozen, False)):
            for parameter in group:
                parameter.requires_grad_(not is_frozen)
        optimizer = torch.optim.SGD([{"params": g, "lr": r} for g, r in zip(self.groups, rates)], momentum=0.9)
        data = torch.utils.data.DataLoader(self.batches(files, targets, size, True), BATCH, shuffle=True)
        first = math.ceil(len(files) / BATCH)
        length, position, step = first, 0, 0
        for _ in range(sum(multiplier**cycle for cycle in range(cycles))):
            self.body.train(not self.is_frozen)
            self.head.train()
            for x, y in data:
                factor = 0.01 if step < first / 20 else 0.5 * (1 + math.cos(math.pi * position / length))
                for group, rate in zip(optimizer.param_groups, rates):
                    group["lr"] = rate * factor
                if len(y) > 1:
                    loss = self.loss(self.head(self.activations(x)), y)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                step, position = step + 1, position + 1
                if position >= length:
                    length, position = length * multiplier, 0

    def fit_head(self, files, targets, size, rate, epochs):
        """On activations of plain pictures, computed once; a constant rate."""
        x = self.predict(files, targets, size, lambda x: self.activations(x))
        optimizer = torch.optim.SGD(self.head.parameters(), rate, momentum=0.9)
        for _ in range(epochs):
            self.head.train()
            for rows in torch.randperm(len(x)).split(BATCH):
                if len(rows) > 1:
                    loss = self.loss(self.head(x[rows]), targets[rows])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()

    @torch.no_grad()
    def predict(self, files, targets, size, function=None, is_augmented=False):
        self.body.eval()
        self.head.eval()
        data = torch.utils.data.DataLoader(self.batches(files, targets, size, is_augmented), BATCH)
        if function is None:
            squash = torch.sigmoid if self.is_several else lambda logits: logits.softmax(1)
            function = lambda x: squash(self.head(self.activations(x)))
        return torch.cat([function(x) for x, _ in data])

    def tta(self, files, targets, size):
        views = [self.predict(files, targets, size)]
        views += [self.predict(files, targets, size, is_augmented=True) for _ in range(4)]
        return torch.stack(views).double().mean(0)


def f2(probabilities, targets):
    """fastai's: the mean over pictures, at the best of the thresholds 0.17 to 0.23."""
    best = 0
    for threshold in numpy.arange(0.17, 0.24, 0.01):
        predicted, true = probabilities > threshold, targets > 0.5
        both = (predicted & true).sum(1).double()
        scores = 5 * both / (4 * true.sum(1) + predicted.sum(1)).clamp_min(1)
        best = max(best, scores.mean().item())
    return best


def scores(probabilities, targets, is_several):
    probabilities = probabilities.double().clamp(1e-7, 1 - 1e-7)
    if is_several:
        loss = functional.binary_cross_entropy(probabilities, targets.double())
        return f"f2 {f2(probabilities, targets):.4f} loss {loss:.4f}"
    accuracy = (probabilities.argmax(1) == targets).double().mean()
    return f"accuracy {accuracy:.4f} loss {functional.nll_loss(probabilities.log(), targets):.4f}"


def rows(path):
    with open(path, newline="") as file:
        return [row[:2] for row in csv.reader(file)][1:]


def held_out(count):
    """fastai's get_cv_idxs: a fifth, by numpy's legacy generator and seed 42."""
    numpy.random.seed(42)
    chosen = set(numpy.random.permutation(count)[: int(0.2 * count)].tolist())
    return [i for i in range(count) if i not in chosen], sorted(chosen)


def say(begun, stage, text=""):
    print(f"{stage:24s} {time.time() - begun:8.1f} s {text}", flush=True)


def planet(options):
    labelled = rows(options.folder / "tags.csv")
    tags = sorted({tag for _, text in labelled for tag in text.split()})
    files = [options.folder / f"{name}.jpg" for name, _ in labelled]
    targets = torch.tensor([[float(tag in text.split()) for tag in tags] for _, text in labelled])
    train, valid = held_out(len(files))
    pick = lambda part: ([files[i] for i in part], targets[part])
    learner, begun, rate = Learner(options, len(tags), True, True), time.time(), 0.2
    for size in (64, 128, 256):
        for is_frozen, rates in ((True, [0, 0, rate]), (False, [rate / 9, rate / 3, rate])):
            learner.is_frozen = is_frozen
            learner.fit(*pick(train), size, rates, 2, 2)
            stage = f"{size} {'frozen' if is_frozen else 'unfrozen'}"
            say(begun, stage, scores(learner.predict(*pick(valid), size), targets[valid], True))
    say(begun, "TTA(4)", scores(learner.tta(*pick(valid), size), targets[valid], True))


def breeds(options):
    labelled, tests = rows(options.folder / "labels.csv"), rows(options.folder / "test_labels.csv")
    names = sorted({name for _, name in labelled})
    files = [options.folder / "images" / f"{name}.jpg" for name, _ in labelled]
    targets = torch.tensor([names.index(name) for _, name in labelled])
    test = [options.folder / "test" / f"{name}.jpg" for name, _ in tests]
    truth = torch.tensor([names.index(name) for _, name in tests])
    train, valid = held_out(len(files))
    pick = lambda part: ([files[i] for i in part], targets[part])
    learner, begun, rate = Learner(options, len(names), False, False), time.time(), 1e-2
    judge = lambda stage, size: say(begun, stage, scores(learner.predict(*pick(valid), size), targets[valid], False))
    learner.fit_head(*pick(train), 224, rate, 5)
    judge("224 precomputed", 224)
    learner.fit(*pick(train), 224, [0, 0, rate], 5, 1)
    judge("224 augmented", 224)
    learner.fit(*pick(train), 299, [0, 0, rate], 3, 1)
    judge("299", 299)
    learner.fit(*pick(train), 299, [0, 0, rate], 3, 2)
    judge("299, longer cycles", 299)
    say(begun, "TTA(4), validation", scores(learner.tta(*pick(valid), 299), targets[valid], False))
    say(begun, "plain, test", scores(learner.predict(test, truth, 299), truth, False))
    say(begun, "TTA(4), test", scores(learner.tta(test, truth, 299), truth, False))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("lesson", choices=["planet", "breeds"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("weights")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(2)
    {"planet": planet, "breeds": breeds}[options.lesson](options)


if __name__ == "__main__":
    main()
