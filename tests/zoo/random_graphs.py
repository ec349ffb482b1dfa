"""Random graphs of a few layers: what is frozen, shared, cut off or weighed as a loss is left to chance."""

from random import Random

from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter

WIDTH = 4


def random_graph(rng: Random) -> NetParameter:
    """Return a net of InnerProducts and what is put between them, with at least one loss; it may be wrong."""
    net = NetParameter()
    data = net.layer.add(name="dummy", type="DummyData", top=["data", "label"])
    for dim in ([2, WIDTH], [2]):
        data.dummy_data_param.shape.add(dim=dim)
    blobs = ["data"]
    for index in range(rng.randint(2, 8)):
        blobs.append(_add(rng, net, f"layer{index}", blobs))
    for index in range(rng.randint(1, 2)):
        loss = net.layer.add(name=f"loss{index}", type="SoftmaxWithLoss", top=[f"loss{index}"])
        loss.bottom.extend([rng.choice(blobs), "label"])
        loss.loss_weight.extend([rng.choice([0.0, 0.3, 1.0])] if rng.random() < 0.5 else [])
    return net


def _add(rng: Random, net: NetParameter, name: str, blobs: list[str]) -> str:
    """Append one layer and return its top."""
    type_ = rng.choice(["InnerProduct"] * 3 + ["ReLU", "BatchNorm", "Scale", "Eltwise", "Silence"])
    layer = net.layer.add(name=name, type=type_, bottom=[rng.choice(blobs[-2:])])
    if type_ == "Silence":
        return layer.bottom[0]
    if type_ == "Eltwise":
        layer.bottom.append(rng.choice(blobs))
    if type_ == "InnerProduct":
        layer.inner_product_param.num_output = WIDTH
    _set_params(rng, layer)
    if rng.random() < 0.2:
        layer.propagate_down.extend(rng.random() < 0.3 for _ in layer.bottom)
    in_place = type_ in ("ReLU", "BatchNorm", "Scale") and rng.random() < 0.7
    layer.top.append(layer.bottom[0] if in_place else name)
    if rng.random() < 0.05:
        layer.loss_weight.append(1.0)
    return layer.top[0]


def _set_params(rng: Random, layer: LayerParameter) -> None:
    most = {"InnerProduct": 2, "Scale": 1, "BatchNorm": 3}.get(layer.type, 0)
    for place in range(rng.randint(0, most)):
        spec = layer.param.add()
        if rng.random() < 0.7:
            spec.lr_mult = 0 if rng.random() < 0.8 else 1
        if layer.type == "InnerProduct" and rng.random() < 0.2:
            spec.name = f"shared{place}"
