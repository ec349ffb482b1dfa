"""The settings of the node's programs and the command line of each, as plain values."""

import json
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.bed.certificates import NODE
from tests.cluster.bed.places import INSIDE, Addresses

PAUSE = "test.local/pause:1"
BUSYBOX = "test.local/busybox:1"
CONTAINERD = INSIDE / "containerd.sock"
KEYS = INSIDE / "keys"
KUBECONFIGS = INSIDE / "kubeconfigs"
ETCD = "http://127.0.0.1:23790"
ETCD_PEERS = "http://127.0.0.1:23800"


def write_settings(folder: Path, tools: Path, addresses: Addresses) -> None:
    """Write what containerd, the network plugins and the kubelet read."""
    (folder / "containerd.toml").write_text(containerd(tools / "root"))
    (folder / "cni").mkdir()
    (folder / "cni" / "10-bed.conflist").write_text(json.dumps(pod_network(addresses)))
    (folder / "kubelet.yaml").write_text(yaml.safe_dump(kubelet(addresses)))
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")


def containerd(root: Path) -> str:
    """Return containerd's settings.

    Inside a container a node may not lower OOM scores, so it leaves them be; AppArmor is the host's.
    """
    return f"""
version = 2
root = "{INSIDE}/containerd"
state = "{INSIDE}/containerd-state"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "{CONTAINERD}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
stream_server_address = "127.0.0.1"
stream_server_port = "0"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{root}/usr/lib/cni"
conf_dir = "{INSIDE}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{root}/usr/sbin/runc"
SystemdCgroup = false
"""


def pod_network(addresses: Addresses) -> dict[str, Any]:
    """Return the one network that pods are in: a bridge whose address is the node's."""
    addressing = {
        "type": "host-local",
        "dataDir": f"{INSIDE}/cni-addresses",
        "ranges": [[{"subnet": addresses.pods, "gateway": addresses.node}]],
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "isDefaultGateway": True,
        "ipMasq": False,
        "ipam": addressing,
    }
    return {"cniVersion": "0.4.0", "name": "bed", "plugins": [bridge]}


def kubelet(addresses: Addresses) -> dict[str, Any]:
    """Return the kubelet's settings: no swap or iptables asked for, status reported every two seconds."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": addresses.node,
        "port": 10250,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "tlsCertFile": f"{KEYS}/kubelet-server.crt",
        "tlsPrivateKeyFile": f"{KEYS}/kubelet-server.key",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{KEYS}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{addresses.cgroup}",
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "resolvConf": f"{INSIDE}/resolv.conf",
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": f"{INSIDE}/volume-plugins",
        "nodeStatusUpdateFrequency": "2s",
        "syncFrequency": "10s",
    }


def etcd_command() -> list[str]:
    """Return etcd's command line: on loopback, its data in memory, since nothing is to outlive the bed."""
    return [
        *("etcd", "--name=bed", "--data-dir=/run/etcd", "--logger=zap"),
        *(f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}"),
        *(f"--listen-peer-urls={ETCD_PEERS}", f"--initial-advertise-peer-urls={ETCD_PEERS}"),
        f"--initial-cluster=bed={ETCD_PEERS}",
    ]


def apiserver_command(addresses: Addresses) -> list[str]:
    """Return the API server's command line: RBAC, nodes held to their own, every address of the network."""
    issuer = "https://kubernetes.default.svc"
    return [
        *("kube-apiserver", f"--etcd-servers={ETCD}", "--bind-address=0.0.0.0", "--secure-port=443"),
        *("--insecure-port=0", f"--advertise-address={addresses.node}", "--endpoint-reconciler-type=none"),
        *("--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true"),
        *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"),
        *(f"--tls-cert-file={KEYS}/apiserver.crt", f"--tls-private-key-file={KEYS}/apiserver.key"),
        *(f"--client-ca-file={KEYS}/ca.crt", f"--cert-dir={INSIDE}/apiserver"),
        *(f"--service-account-issuer={issuer}", f"--api-audiences={issuer}"),
        f"--service-account-key-file={KEYS}/service-account.pub",
        f"--service-account-signing-key-file={KEYS}/service-account.key",
        f"--kubelet-client-certificate={KEYS}/apiserver-to-kubelet.crt",
        f"--kubelet-client-key={KEYS}/apiserver-to-kubelet.key",
        *(f"--kubelet-certificate-authority={KEYS}/ca.crt", "--kubelet-preferred-address-types=InternalIP"),
        f"--requestheader-client-ca-file={KEYS}/front-ca.crt",
        *("--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group"),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={KEYS}/front-proxy.crt",
        f"--proxy-client-key-file={KEYS}/front-proxy.key",
    ]


def controller_manager_command() -> list[str]:
    """Return the controller manager's command line."""
    return [
        "kube-controller-manager",
        *_speaks_as("controller-manager"),
        *("--use-service-account-credentials=true", f"--root-ca-file={KEYS}/ca.crt"),
        f"--service-account-private-key-file={KEYS}/service-account.key",
        *(f"--client-ca-file={KEYS}/ca.crt", f"--requestheader-client-ca-file={KEYS}/front-ca.crt"),
        *(f"--cluster-signing-cert-file={KEYS}/ca.crt", f"--cluster-signing-key-file={KEYS}/ca.key"),
    ]


def scheduler_command() -> list[str]:
    """Return the scheduler's command line."""
    return ["kube-scheduler", *_speaks_as("scheduler")]


def kubelet_command(addresses: Addresses) -> list[str]:
    """Return the kubelet's command line."""
    return [
        *("kubelet", f"--config={INSIDE}/kubelet.yaml", f"--kubeconfig={KUBECONFIGS}/kubelet"),
        *(f"--hostname-override={NODE}", f"--node-ip={addresses.node}", f"--root-dir={INSIDE}/kubelet"),
        *("--container-runtime=remote", f"--container-runtime-endpoint=unix://{CONTAINERD}"),
        *(f"--image-service-endpoint=unix://{CONTAINERD}", f"--pod-infra-container-image={PAUSE}"),
        f"--cert-dir={INSIDE}/kubelet-pki",
    ]


def _speaks_as(user: str) -> list[str]:
    kubeconfig = KUBECONFIGS / user
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        *("--bind-address=127.0.0.1", "--port=0", f"--cert-dir={INSIDE}/{user}", "--leader-elect=false"),
        *("--kube-api-qps=200", "--kube-api-burst=400"),
    ]
