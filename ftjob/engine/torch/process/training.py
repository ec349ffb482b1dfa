"""A solver with its nets, driven as TorchSolver::Step does; the commands of the engine's process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from ftjob.engine import Features
from ftjob.engine.phase_nets import phase_net, shapes_of
from ftjob.engine.process import stepping, wire
from ftjob.engine.process.rows import Rows
from ftjob.engine.process.snapshotfile import partial_name
from ftjob.engine.process.writer import Writer
from ftjob.engine.torch.process import snapshots, streams
from ftjob.engine.torch.process.cut import CutNet, cut
from ftjob.engine.torch.process.layers.making import NetContext
from ftjob.engine.torch.process.layers.numerics import FP32, Numerics
from ftjob.engine.torch.process.loss_scale import LossScale
from ftjob.engine.torch.process.net import Passed, TorchNet
from ftjob.engine.torch.process.parallel.ranks import ALONE, RankContext, Ranks
from ftjob.engine.torch.process.solvers import TorchSolver
from ftjob.engine.torch.process.weights import ByLayer, learnables, load, make_weights
from ftjob.errors import BadNetError
from ftjob.net.lr_policy import learning_rate
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetParameter, Phase, SolverParameter
from ftjob.net.topology.trunk import changing


class TorchTraining:
    """A solver with its TRAIN and TEST net."""

    def __init__(
        self,
        param: SolverParameter,
        net: NetParameter,
        weights: Path | None,
        device: torch.device,
        features: Features | None = None,
        numerics: Numerics = FP32,
        rank_context: RankContext | None = None,
        seed: int | None = None,
    ) -> None:
        """`features` of frozen trunks are kept there; None: nowhere. With a `rank_context` the caller sets
        `ranks` once all have joined; `seed` is the solver's unless it is given."""
        self.param, self.device, self.name, self.numerics = param, device, net.name, numerics
        self.seed = streams.run_seed(param.random_seed) if seed is None else seed
        self.rank_context = rank_context
        self.ranks: Ranks = ALONE
        self.features = features
        self.params = tuple(phase_net(param, net, phase) for phase in (TRAIN, TEST))
        self.train = self._net(self.params[0], TRAIN)
        self.test_net = self._net(self.params[1], TEST, self.train.weights)
        self.solver = TorchSolver(param, learnables(self.train.shapes, self.train.weights))
        self.scale = LossScale() if numerics.dtype == torch.float16 else None
        self.iteration = 0
        self.writer = Writer(
            self.train.shapes.parameter_count, self.solver.states, len(self.train.shapes.layers)
        )
        if weights:
            for each in (self.test_net, self.train):
                load(each.weights, weights)
        self.cut()

    def cut(self) -> None:
        """Cut both nets where their trunks end, as the weights are now."""
        changed = changing(self.train.shapes)
        self.cut_train, self.cut_test = (
            cut(whole, net, self.features, changed)
            for whole, net in zip((self.train, self.test_net), self.params, strict=True)
        )

    def _net(self, net: NetParameter, phase: Phase, source: ByLayer | None = None) -> TorchNet:
        shapes = shapes_of(net)
        weights = make_weights(shapes, self.seed, self.device, source)
        context = NetContext(phase, self.device, self.seed, numerics=self.numerics)
        if self.rank_context and phase == TRAIN:  # the first rank tests alone
            context.rank, context.ranks = self.rank_context.rank, self.rank_context.size
        return TorchNet(shapes, weights, context)

    def steps(self, iterations: int, halted: Callable[[], bool]) -> Iterator[wire.Frame]:
        """Update that many times, or until halted: see stepping.py."""
        yield from stepping.steps(iterations, halted, self.train.scalars, self.update)

    def update(self) -> Iterator[stepping.Update | None]:
        """Make one update, all ranks together: yield None after each pass, then what the update shows."""
        with self.ranks.together("update"):
            yield from self._update()

    def _update(self) -> Iterator[stepping.Update | None]:
        losses, waited = [], self.train.context.waited
        for _ in range(self.param.iter_size):
            passed = self.cut_train.forward()
            loss = torch.zeros((), device=self.device) if passed.loss is None else passed.loss
            if loss.requires_grad:
                (loss * self.scale.scale if self.scale else loss).backward()
            losses.append(loss.detach())
            yield None
        rate = learning_rate(self.param, self.iteration)
        with torch.no_grad():
            self.ranks.average(self.solver.gradients())
            if self.scale is None or self.scale.unscale(self.solver.gradients(), self.iteration):
                self.solver.update(rate, self.iteration)
            else:
                self.solver.skip()
        self.iteration += 1
        loss, *outputs = self._numbers(losses, passed)
        yield self.iteration, loss, outputs, rate, self.train.context.waited - waited

    def _numbers(self, losses: list[torch.Tensor], passed: Passed) -> list[float]:
        """The mean loss and the scalar outputs, in one transfer from the device."""
        outputs = [passed.blobs[name].detach().reshape(()).float() for name in self.train.scalars]
        shown = torch.stack([*losses, *outputs])
        self.ranks.average([shown])
        numbers: list[float] = shown.tolist()
        return [sum(numbers[: len(losses)]) / len(losses), *numbers[len(losses) :]]

    def test(self, images: int, blobs: list[str], halted: Callable[[], bool]) -> Iterator[wire.Frame]:
        """Run the TEST net over that many records, with the weights as they are now."""
        net, pulse = self.test_net, stepping.Pulse()
        net.check_names(blobs)
        rows = Rows(images, blobs)
        for first in range(0, images, net.batch_size):
            with torch.inference_mode():
                rows.take(first, net.batch_size, self.cut_test.forward(blobs).arrays(blobs))
            if halted():
                break
            if pulse.due():
                yield stepping.alive(first + net.batch_size, images)
        yield {}, rows.arrays()

    def kept_features(self) -> wire.Frame:
        """Return the fields of a FeatureRows for each net that was cut."""
        nets = (self.cut_train, False), (self.cut_test, True)
        return {"files": [net.kept(is_test=test) for net, test in nets if isinstance(net, CutNet)]}, {}

    def snapshot(self, directory: str) -> wire.Frame:
        """Write both files in a fork, which has the memory as it is now."""
        net = snapshots.net_chunks(self.name, self.train.shapes.layers, self.train.weights)
        scale = self.scale.state if self.scale else None
        state = snapshots.state_chunks(self.iteration, self._current_step(), self._history(), scale)

        def save(folder: Path, _: int) -> None:
            snapshots.write(folder / partial_name(self.iteration, "caffemodel"), net)
            snapshots.write(folder / partial_name(self.iteration, "solverstate"), state)

        pid = self.writer.write(directory, self.iteration, save, apart=True)
        return {"iteration": self.iteration, "pid": pid}, {}

    def _history(self) -> Iterator[torch.Tensor | tuple[int, ...]]:
        """As Caffe has it: the first number of every param, then the second. A frozen param's stay zero."""
        for state in range(self.solver.states):
            for each, history in zip(self.solver.learnables, self.solver.history, strict=True):
                yield history[state] if history else tuple(each.tensor.shape)

    def _current_step(self) -> int:
        """What Caffe's step and multistep policies count."""
        last = max(0, self.iteration - 1)
        if self.param.lr_policy == "step":
            return last // self.param.stepsize
        return sum(last >= value for value in self.param.stepvalue)

    def restore(self, solverstate: str, caffemodel: str, halted: Callable[[], bool]) -> wire.Frame:
        """Restore a snapshot of this engine or of Caffe: weights, history, iteration and data position."""
        if self.iteration:
            raise RuntimeError("a solver that has run cannot go back: open another")
        load(self.train.weights, Path(caffemodel))
        self.cut()
        self._restore_history(snapshots.read_state(Path(solverstate)))
        self.train.context.passes = self.iteration * self.param.iter_size
        with self.ranks.together("restore", solverstate=solverstate, caffemodel=caffemodel):
            pass
        return {"iteration": self.iteration, "whole": not halted(), "replayed": 0}, {}

    def _restore_history(self, state: snapshots.RestoredState) -> None:
        shapes = [tuple(each.tensor.shape) for each in self.solver.learnables] * self.solver.states
        if [blob.shape for blob in state.history] != shapes:
            raise BadNetError(
                f"{state.path}: the solverstate does not match this net and solver: start a new run "
                "with its caffemodel as weights"
            )
        for tensor, values in zip(self._history(), state.values(), strict=True):
            if isinstance(tensor, torch.Tensor):
                tensor.copy_(torch.from_numpy(values))
        if self.scale and state.loss_scale:
            self.scale.restore(*state.loss_scale)
        self.iteration = state.iteration
