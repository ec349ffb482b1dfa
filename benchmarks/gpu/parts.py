"""The parts of this benchmark: what each measures, and its share of the time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module

from benchmarks.gpu.setting import Figures, Setting
from benchmarks.overhead import Case
from ftjob.engine.inventory import Inventory
from ftjob.engine.open import AVAILABLE


@dataclass(frozen=True)
class Part:
    """Something to measure, in a process of its own."""

    name: str
    share: float
    """Of the whole time, in proportion to those of the others."""
    function: str
    """Its module in this package and its name. Imported by its own process only: PyTorch takes seconds."""
    arguments: Mapping[str, object] = field(default_factory=dict)

    def measure(self, setting: Setting) -> Figures:
        """Return its figures."""
        module, function = self.function.split(".")
        figures: Figures = getattr(import_module(f"benchmarks.gpu.{module}"), function)(
            setting, **self.arguments
        )
        return figures


def parts_of(setting: Setting, found: Inventory) -> tuple[list[Part], dict[str, str]]:
    """Return what is measured, in order, and what cannot be, with the reason.

    A smoke run has one net, compiles nothing, and tries the torch engine in one precision.
    """
    parts = [
        Part("data", 3, "setting.write_data"),
        Part("peak", 3, "matmul.measure_peak"),
        *(part for case in setting.cases for part in _of_net(case, smoke=setting.smoke)),
        Part("frozen trunk", 7, "fedtraining.train_frozen", {"case": setting.frozen}),
        Part("snapshots", 5, "fedtraining.take_snapshots", {"case": setting.largest}),
    ]
    left_out = {}
    for engine in ("torch",) if setting.smoke else AVAILABLE:
        if problem := why_not(found, engine, setting):
            left_out[f"engine {engine}"] = problem
        else:
            parts += _of_engine(engine, setting)
    return parts, left_out


def _of_net(case: Case, *, smoke: bool) -> list[Part]:
    """Return ftjob's part and plain PyTorch's; compiling takes a minute."""
    plain = "plaintraining.train_plain"
    parts = [
        Part(f"ftjob {case.name}", 5, "fedtraining.train_fed", {"case": case}),
        Part(f"plain {case.name} eager", 3, plain, {"case": case, "compiled": False}),
        Part(f"plain {case.name} compiled", 11, plain, {"case": case, "compiled": True}),
    ]
    return parts[:2] if smoke else parts


def _of_engine(engine: str, setting: Setting) -> list[Part]:
    """Return an engine's parts: each precision, and full memory where the device has its own."""
    precisions = setting.precisions if engine == "torch" and not setting.smoke else [setting.precisions[0]]
    parts = [
        Part(
            f"engine {engine} {precision}",
            4,
            "eachengine.measure_engine",
            {"case": setting.frozen, "engine": engine, "precision": precision},
        )
        for precision in precisions
    ]
    if setting.device:
        arguments = {"case": setting.largest, "engine": engine}
        parts.append(Part(f"full memory {engine}", 3, "eachengine.fill_memory", arguments))
    return parts


def why_not(found: Inventory, engine: str, setting: Setting) -> str:
    """Return why an engine cannot compute here; empty where it can."""
    if engine == "torch":
        return "" if found.torch else "PyTorch is not installed"
    if found.caffe is None:
        return "Caffe is not installed"
    if setting.device is None:
        return ""
    code, problem = found.caffe_on(setting.device)
    return problem or ("" if code else "the installed Caffe computes on processors only")
