"""Which GPUs a Caffe computes on, and the sentence for each that it does not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.engine.caffe.gpucode import GpuCode, refuse_unusable
from ftjob.engine.nvml import ComputeMode, Device, Driver
from ftjob.errors import EngineError

CODE = GpuCode((11, 2), ((3, 7), (5, 2), (6, 0), (6, 1), (7, 0), (7, 5), (8, 0), (8, 6)), ((8, 6),))
K80 = Device(0, "Tesla K80", (3, 7))
DRIVER = Driver("470.82.01", (11, 4), (K80,))

CAPABILITIES = st.tuples(st.integers(2, 12), st.integers(0, 9))
CODES = st.builds(
    GpuCode,
    st.just((11, 2)),
    st.lists(CAPABILITIES, unique=True).map(lambda found: tuple(sorted(found))),
    st.lists(CAPABILITIES, unique=True).map(lambda found: tuple(sorted(found))),
)


@pytest.mark.parametrize(
    ("capability", "used"),
    [
        ((3, 5), ""),
        ((3, 7), "sm_37"),
        ((5, 0), ""),
        ((6, 1), "sm_61"),
        ((6, 2), "sm_61"),
        ((8, 6), "sm_86"),
        ((8, 9), "sm_86"),
        ((9, 0), "PTX of 8.6"),
        ((12, 0), "PTX of 8.6"),
    ],
)
def test_a_gpu_runs_the_code_that_nvidia_has_it_run(capability: tuple[int, int], used: str) -> None:
    """Machine code of its major and at most its minor, else PTX of an older one."""
    assert CODE.used_on(capability) == used


@given(CODES, CAPABILITIES)
def test_code_is_never_newer_than_its_gpu(code: GpuCode, capability: tuple[int, int]) -> None:
    """And where none is used there is none that could be."""
    used = code.used_on(capability)
    if used.startswith("sm_"):
        assert divmod(int(used.removeprefix("sm_")), 10) in code.machine
        assert used.removeprefix("sm_")[:-1] == str(capability[0])
        assert divmod(int(used.removeprefix("sm_")), 10) <= capability
    elif used:
        assert used.startswith("PTX of ")
        assert any(each <= capability for each in code.ptx)
    else:
        assert all(each[0] != capability[0] or each > capability for each in code.machine)
        assert all(each > capability for each in code.ptx)


@given(CODES)
def test_a_record_is_read_as_it_was_written(code: GpuCode) -> None:
    """Whatever a build has."""
    assert GpuCode.from_record(code.to_record()) == code


def test_a_gpu_with_its_driver_is_taken() -> None:
    """A K80 under the last branch that drives it; an exclusive one too while nobody has it."""
    alone = replace(K80, mode=ComputeMode.EXCLUSIVE)

    assert refuse_unusable(CODE, DRIVER) == K80
    assert refuse_unusable(CODE, replace(DRIVER, devices=(alone,))) == alone


@pytest.mark.parametrize(
    ("driver", "sentence"),
    [
        (
            None,
            r"no NVIDIA driver answers here: install one of branch 460 or newer \(470 is the last",
        ),
        (
            Driver("450.80.02", (11, 0), (K80,)),
            r"the driver 450\.80\.02 runs CUDA 11\.0, and this Caffe needs 11\.2: install .* 460 or newer",
        ),
        (replace(DRIVER, devices=()), r"the driver 470\.82\.01 shows no GPU: .*CUDA_VISIBLE_DEVICES"),
        (
            replace(DRIVER, devices=(Device(0, "Tesla K20m", (3, 5)),)),
            r"no code for the Tesla K20m \(compute capability 3\.5\); it has compute capability 3\.7, .*; "
            r"newer by the PTX of 8\.6: set engine: torch, or build the image .* with CUDA_ARCH=35",
        ),
        (
            replace(DRIVER, devices=(replace(K80, mode=ComputeMode.EXCLUSIVE, pids=(4711,)),)),
            r"is in compute mode Exclusive_Process, and process 4711 has it: .*nvidia-smi -i 0 -c DEFAULT",
        ),
        (
            replace(DRIVER, devices=(replace(K80, mode=ComputeMode.PROHIBITED),)),
            r"Tesla K80 is set to compute mode Prohibited: .*nvidia-smi -i 0 -c DEFAULT",
        ),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(driver: Driver | None, sentence: str) -> None:
    """No driver, an old one, no device, one without code here, one that is another's."""
    with pytest.raises(EngineError, match=sentence):
        refuse_unusable(CODE, driver)
