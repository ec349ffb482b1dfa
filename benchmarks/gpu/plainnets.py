"""GoogLeNet, VGG-16 and ResNet-50 as one writes them in PyTorch: the layers of ftjob.net.zoo.

`forward` returns the scores of each classifier, in the order of the losses; their weights are in `heads`.
Params are registered in the order of Caffe's layers, so that a caffemodel's numbers can be copied into them.
"""

from collections.abc import Callable

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from ftjob.net.zoo import googlenet, resnet50

Scores = tuple[Tensor, ...]


class PlainVgg16(nn.Module):  # type: ignore[misc]
    """Thirteen convolutions and three inner products."""

    heads = (1.0,)

    def __init__(self, classes: int, *, dropout: float = 0.5, side: int = 224, width: int = 4096) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for count, maps in zip((2, 2, 3, 3, 3), (64, 128, 256, 512, 512), strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(channels, maps, 3, padding=1), nn.ReLU(inplace=True)]
                channels = maps
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(channels * (side // 32) ** 2, width), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(width, width), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(width, classes),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Scores:
        return (self.classifier(torch.flatten(self.features(images), 1)),)


class PlainGoogLeNet(nn.Module):  # type: ignore[misc]
    """Nine inception modules and three classifiers."""

    heads = (googlenet.AUXILIARY_WEIGHT, googlenet.AUXILIARY_WEIGHT, 1.0)

    def __init__(self, classes: int, *, dropout: float | None = None) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_conv_relu(3, 64, 7, stride=2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75),
            *_conv_relu(64, 64, 1),
            *_conv_relu(64, 192, 3),
            nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        )
        self.stages = nn.ModuleDict()
        channels = 192
        for name, outputs in googlenet.MODULES.items():
            self.stages[name] = PlainInception(channels, outputs)
            channels = outputs[0] + outputs[2] + outputs[4] + outputs[5]
            if name in googlenet.AUXILIARY_AFTER:
                kept = 0.7 if dropout is None else dropout
                self.stages[googlenet.AUXILIARY_AFTER[name]] = _auxiliary_head(channels, classes, kept)
            if name in googlenet.POOL_AFTER:
                self.stages[f"pool_after_{name}"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.classifier = nn.Sequential(
            nn.AvgPool2d(7), nn.Flatten(), nn.Dropout(0.4 if dropout is None else dropout),
            nn.Linear(channels, classes),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Scores:
        maps, scores = self.stem(images), []
        for name, stage in self.stages.items():
            if name in googlenet.AUXILIARY_AFTER.values():
                scores.append(stage(maps))
            else:
                maps = stage(maps)
        return (*scores, self.classifier(maps))


class PlainInception(nn.Module):  # type: ignore[misc]
    """Four branches side by side."""

    def __init__(self, channels: int, outputs: googlenet.Module) -> None:
        super().__init__()
        reduce1, reduce3, three, reduce5, five, projection = outputs
        self.branches = nn.ModuleList(
            [
                nn.Sequential(*_conv_relu(channels, reduce1, 1)),
                nn.Sequential(*_conv_relu(channels, reduce3, 1), *_conv_relu(reduce3, three, 3)),
                nn.Sequential(*_conv_relu(channels, reduce5, 1), *_conv_relu(reduce5, five, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, padding=1), *_conv_relu(channels, projection, 1)),
            ]
        )

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([branch(maps) for branch in self.branches], 1)


class PlainResNet50(nn.Module):  # type: ignore[misc]
    """Sixteen bottleneck blocks, whose stride is in the first convolution, as published for Caffe."""

    heads = (1.0,)

    def __init__(self, classes: int, *, dropout: float = 0.0) -> None:
        """There is no dropout in it."""
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        )  # fmt: skip
        blocks: list[nn.Module] = []
        channels = 64
        for stage, (names, width) in resnet50.STAGES.items():
            for name in names:
                stride = 2 if name == "a" and stage > 2 else 1
                blocks.append(PlainBottleneck(channels, width, stride, projected=name == "a"))
                channels = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(nn.AvgPool2d(7), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, images: Tensor) -> Scores:
        return (self.classifier(self.blocks(self.stem(images))),)


class PlainBottleneck(nn.Module):  # type: ignore[misc]
    """Three convolutions beside a shortcut."""

    def __init__(self, channels: int, width: int, stride: int, *, projected: bool) -> None:
        super().__init__()
        self.shortcut = (
            nn.Sequential(*_conv_norm(channels, 4 * width, 1, stride)) if projected else nn.Identity()
        )
        self.residual = nn.Sequential(
            *_conv_norm(channels, width, 1, stride), nn.ReLU(inplace=True),
            *_conv_norm(width, width, 3), nn.ReLU(inplace=True),
            *_conv_norm(width, 4 * width, 1),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.shortcut(maps) + self.residual(maps))


PlainNet = PlainGoogLeNet | PlainVgg16 | PlainResNet50
PLAIN: dict[str, Callable[..., PlainNet]] = {
    "googlenet": PlainGoogLeNet,
    "vgg16": PlainVgg16,
    "resnet50": PlainResNet50,
}
"""By the names of ftjob.net.zoo."""


def _conv_relu(channels: int, maps: int, side: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, maps, side, stride, padding=side // 2), nn.ReLU(inplace=True)


def _conv_norm(channels: int, maps: int, side: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    conv = nn.Conv2d(channels, maps, side, stride, padding=side // 2, bias=False)
    return conv, nn.BatchNorm2d(maps)


def _auxiliary_head(channels: int, classes: int, dropout: float) -> nn.Module:
    return nn.Sequential(
        nn.AvgPool2d(5, 3, ceil_mode=True), *_conv_relu(channels, 128, 1), nn.Flatten(),
        nn.Linear(128 * 4 * 4, 1024), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(1024, classes),
    )  # fmt: skip


def loss_of(net: PlainNet, scores: Scores, labels: Tensor) -> Tensor:
    """Return the weighted sum of a net's losses."""
    losses = [
        weight * nn.functional.cross_entropy(each, labels)
        for weight, each in zip(net.heads, scores, strict=True)
    ]
    return torch.stack(losses).sum()
