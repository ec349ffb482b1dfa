"""The sources of a net's images and labels, and the Data layers that replace them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import (
    TEST,
    TRAIN,
    DataParameter,
    LayerParameter,
    NetParameter,
    NetState,
    Phase,
)
from ftjob.net.surgery.heads import Head
from ftjob.net.surgery.names import free_name, layer_names
from ftjob.net.surgery.otherlosses import refuse_other_losses
from ftjob.net.topology.graph import Graph, graph
from ftjob.net.topology.layertypes import CLASSIFICATION_LOSSES, DATA
from ftjob.net.topology.phases import belongs, phase_view
from ftjob.suggest import listed

IMAGES = "data"
LABELS = "label"


@dataclass(frozen=True)
class DataLayers:
    """The two LMDBs of a run and how Caffe's Data layers transform them."""

    train: str
    """Path of the LMDB, as the machine that trains sees it."""
    val: str
    channels: int
    height: int
    width: int
    """Of the stored images."""
    batch_size: int
    test_batch_size: int
    crop: int | None = None
    random_crop: bool = True
    """While training; else from the centre."""
    mirror: bool = False
    mean: tuple[float, ...] | None = None
    """Subtracted per channel (BGR)."""
    mean_file: str | None = None
    """A .binaryproto, instead of `mean`."""
    scale: float = 1.0
    """Multiplied after the mean is subtracted."""

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """(1, channels, height, width) of what reaches the net."""
        return (1, self.channels, self.crop or self.height, self.crop or self.width)


def point_at(net: NetParameter, heads: Iterable[Head], data: DataLayers) -> list[str]:
    """Replace whatever brings images and labels by Data layers over the two LMDBs, in place.

    The images' blob becomes `data` and the labels' `label`. Layers that only measure or write something
    (Accuracy, HDF5Output, a loss of TEST alone, a last Softmax or ArgMax) are left out. Returns what else
    was, a sentence each. Raises BadNetError for a net that reads anything but one image and one class number
    per record.
    """
    heads = list(heads)
    images = {blob for phase in (TRAIN, TEST) for blob in _image_blobs(graph(phase_view(net, phase)), heads)}
    labels = {head.label for head in heads}
    if len(labels) > 1:
        raise BadNetError(
            f"the net's losses read different labels ({', '.join(sorted(labels))}); ftjob trains on one "
            "class number per image"
        )
    _check_labels_are_data(net, heads)
    _drop_data(net)
    _drop_measures(net)
    dropped = _drop_second_tops(net)
    _rename_sources(net, images, labels)
    _drop_silenced(net)
    layers = list(net.layer)
    name = free_name(IMAGES, layer_names(net))
    del net.layer[:]
    net.layer.extend([_data_layer(data, TRAIN, name), _data_layer(data, TEST, name), *layers])
    return dropped


def refuse_strange_layers(net: NetParameter) -> None:
    """Raise BadNetError for a layer whose code is elsewhere or that trains on more than class numbers."""
    _refuse_python(net)
    refuse_other_losses(net)


def bring_labels(net: NetParameter) -> list[str]:
    """Add a source of labels, in place, where the net's own have images alone and a loss or Accuracy reads
    labels, as where the end of a train_val was put onto a deploy net; return a sentence about it."""
    made = {blob for layer in net.layer for blob in layer.top}
    readers = [
        layer
        for layer in net.layer
        if layer.type in CLASSIFICATION_LOSSES | {"Accuracy"}
        and layer.bottom[1:]
        and layer.bottom[1] not in made
    ]
    missing = list({layer.bottom[1]: None for layer in readers})
    brought = {blob for layer in net.layer if is_source(layer) for blob in layer.top}
    if len(missing) != 1 or len(brought) != 1:
        return []
    layers = list(net.layer)
    del net.layer[:]
    net.layer.add(name=free_name(LABELS, [layer.name for layer in layers]), type="Input", top=missing)
    net.layer.extend(layers)
    names = listed([layer.name for layer in readers])
    return [f'nothing makes "{missing[0]}", which {names} reads: it gets the labels of the data']


def rename_blobs(net: NetParameter, new_names: Mapping[str, str]) -> None:
    """Rename blobs wherever a layer reads or makes them, all at once and in place."""
    for layer in net.layer:
        for blobs in (layer.bottom, layer.top):
            blobs[:] = [new_names.get(blob, blob) for blob in blobs]


def make_room(net: NetParameter, blobs: Iterable[str]) -> dict[str, str]:
    """Rename blobs of a net that have a name ftjob needs for its own, in place: `label` to `label_of_net`.

    Returns their new names.
    """
    taken = {blob for layer in net.layer for blob in (*layer.bottom, *layer.top)}
    new_names = {}
    for blob in blobs:
        new = f"{blob}_of_net"
        while new in taken:
            new += "_2"
        new_names[blob] = new
        taken.add(new)
    rename_blobs(net, new_names)
    return new_names


def is_source(layer: LayerParameter) -> bool:
    """Return whether a layer brings data into the net."""
    return layer.type in DATA or (layer.type == "Python" and not layer.bottom)


def _refuse_python(net: NetParameter) -> None:
    for layer in net.layer:
        if layer.type == "Python" and layer.bottom:
            code = f"{layer.python_param.module}.{layer.python_param.layer}"
            raise BadNetError(
                f'layer "{layer.name}" is of type Python: its code ({code}) is not in the prototxt and would '
                "not be there where the net is trained or served; replace it by layers of Caffe's own"
            )


def _image_blobs(net: Graph, heads: Iterable[Head]) -> list[str]:
    """The one blob of a source that the heads are computed from; none in a phase without the heads."""
    names = {head.layer for head in heads}
    needed = net.upstream(index for index, layer in enumerate(net.layers) if layer.name in names)
    blobs = {
        blob: net.layers[maker].name
        for index in needed
        for blob, maker in zip(net.layers[index].bottom, net.makers[index], strict=True)
        if is_source(net.layers[maker])
    }
    if len(blobs) > 1:
        inputs = listed([f'"{blob}" of layer "{maker}"' for blob, maker in sorted(blobs.items())])
        raise BadNetError(
            f"the net is computed from several inputs ({inputs}); ftjob's data has one image each"
        )
    return list(blobs)


def _check_labels_are_data(net: NetParameter, heads: Iterable[Head]) -> None:
    made = {blob: layer for layer in net.layer if not is_source(layer) for blob in layer.top}
    for head in heads:
        if head.label in made:
            maker = made[head.label]
            raise BadNetError(
                f'head "{head.layer}" takes its labels "{head.label}" from layer "{maker.name}" of type '
                f"{maker.type}; ftjob trains on one class number per image, straight from the data"
            )


def _drop_measures(net: NetParameter) -> None:
    """Leave out what only measures or writes, in place; a loss that is not in TRAIN trains nothing."""
    dropped = {"Accuracy", "HDF5Output"}
    in_train = NetState(phase=TRAIN)
    kept = [
        layer
        for layer in net.layer
        if layer.type not in dropped and (layer.type not in CLASSIFICATION_LOSSES or belongs(layer, in_train))
    ]
    while True:
        read = {blob for layer in kept for blob in layer.bottom}
        live = [layer for layer in kept if layer.type not in ("Softmax", "ArgMax") or read & set(layer.top)]
        if len(live) == len(kept):
            break
        kept = live
    _keep(net, kept)


def _drop_second_tops(net: NetParameter) -> list[str]:
    """Take the probabilities from the tops of losses, in place, where nothing reads them; return sentences.

    Caffe 1.0 allows for such a top and cannot make it (see ftjob.net.layers.losses). Raises BadNetError where
    another layer reads it.
    """
    dropped = []
    for layer in net.layer:
        if layer.type not in CLASSIFICATION_LOSSES or len(layer.top) < 2:
            continue
        for blob in layer.top[1:]:
            readers = [each for each in net.layer if blob in each.bottom and each.type != "Silence"]
            if readers:
                raise BadNetError(
                    f'layer "{layer.name}" ({layer.type}): no Caffe 1.0 can make its second top "{blob}", '
                    f'which layer "{readers[0].name}" reads: add a Softmax layer that makes it'
                )
        dropped.append(
            f"layer {layer.name} ({layer.type}): its second top {layer.top[1]} is left out, since no Caffe "
            "1.0 can make it"
        )
        del layer.top[1:]
        del layer.loss_weight[1:]
    return list(dict.fromkeys(dropped))


def _drop_data(net: NetParameter) -> None:
    _keep(net, [layer for layer in net.layer if not is_source(layer)])


def _rename_sources(net: NetParameter, images: set[str], labels: set[str]) -> None:
    """Rename the images to `data` and the labels to `label`, and other blobs of these names."""
    others = [name for name in (IMAGES, LABELS) if name not in images | labels]
    make_room(net, others)
    rename_blobs(net, dict.fromkeys(images, IMAGES) | dict.fromkeys(labels, LABELS))


def _drop_silenced(net: NetParameter) -> None:
    """Take lost blobs from Silence layers. Raises BadNetError where another layer reads one."""
    made = {IMAGES, LABELS} | {blob for layer in net.layer for blob in layer.top}
    for layer in net.layer:
        lost = [blob for blob in layer.bottom if blob not in made]
        if lost and layer.type != "Silence":
            raise BadNetError(
                f'layer "{layer.name}" reads "{lost[0]}" of a data layer; ftjob has images and labels only'
            )
        layer.bottom[:] = [blob for blob in layer.bottom if blob in made]
    _keep(net, [layer for layer in net.layer if layer.type != "Silence" or layer.bottom])


def _keep(net: NetParameter, layers: list[LayerParameter]) -> None:
    copies = [LayerParameter.FromString(layer.SerializeToString()) for layer in layers]
    del net.layer[:]
    net.layer.extend(copies)


def _data_layer(data: DataLayers, phase: Phase, name: str) -> LayerParameter:
    layer = LayerParameter(name=name, type="Data", top=[IMAGES, LABELS])
    layer.include.add(phase=phase)
    transform = layer.transform_param
    if data.crop:
        transform.crop_size = data.crop
        if phase == TRAIN and not data.random_crop:
            layer.phase = TEST  # which is what decides where data_transformer.cpp crops
    if data.mirror and phase == TRAIN:
        transform.mirror = True
    if data.mean_file:
        transform.mean_file = data.mean_file
    elif data.mean:
        transform.mean_value.extend(data.mean)
    if data.scale != 1:
        transform.scale = data.scale
    layer.data_param.source = data.train if phase == TRAIN else data.val
    layer.data_param.batch_size = data.batch_size if phase == TRAIN else data.test_batch_size
    layer.data_param.backend = DataParameter.LMDB
    return layer
