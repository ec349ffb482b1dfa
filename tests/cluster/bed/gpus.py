"""A device plugin for GPUs that the machine has not: python -m tests.cluster.bed.gpus COUNT."""

import sys
import time
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

RESOURCE = "nvidia.com/gpu"
FOLDER = Path("/var/lib/kubelet/device-plugins")
KUBELET = FOLDER / "kubelet.sock"
OURS = FOLDER / "bed-gpus.sock"

messages, services = grpc.protos_and_services("tests/cluster/bed/deviceplugin.proto")


class Gpus(services.DevicePluginServicer):  # type: ignore[misc]
    """Healthy GPUs; a container that got some finds them named in the variable NVIDIA's runtime reads."""

    def __init__(self, count: int) -> None:
        self.devices = [messages.Device(ID=f"GPU-{number}", health="Healthy") for number in range(count)]

    def GetDevicePluginOptions(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Ask for nothing special."""
        return messages.Empty()

    def ListAndWatch(self, request: Any, context: Any) -> Any:  # noqa: N802
        """List the devices once; their health never changes."""
        yield messages.ListAndWatchResponse(devices=self.devices)
        while context.is_active():
            time.sleep(0.5)

    def Allocate(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Name the devices that the kubelet chose."""
        return messages.AllocateResponse(
            container_responses=[
                messages.ContainerAllocateResponse(envs={"NVIDIA_VISIBLE_DEVICES": ",".join(each.devicesIDs)})
                for each in request.container_requests
            ]
        )


def serve(count: int) -> None:
    """Serve until the kubelet restarts, which removes the socket; whoever started us does so again."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    services.add_DevicePluginServicer_to_server(Gpus(count), server)
    server.add_insecure_port(f"unix://{OURS}")
    server.start()
    channel = grpc.insecure_channel(f"unix://{KUBELET}", options=[("grpc.default_authority", "localhost")])
    services.RegistrationStub(channel).Register(
        messages.RegisterRequest(version="v1beta1", endpoint=OURS.name, resource_name=RESOURCE), timeout=10
    )
    while OURS.exists():
        time.sleep(0.5)


if __name__ == "__main__":
    while not KUBELET.exists():
        time.sleep(0.1)
    serve(int(sys.argv[1]))
