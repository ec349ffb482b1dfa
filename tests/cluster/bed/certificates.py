"""The keys and certificates of one cluster, by openssl: elliptic curves, so that all take a blink."""

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster.bed.places import Addresses

NODE = "node0"


@dataclass(frozen=True)
class Certificate:
    """Who holds it and what it is for."""

    name: str
    subject: str
    usage: str = "clientAuth"
    hosts: tuple[str, ...] = ()
    authority: str = "ca"


USERS = (
    Certificate("admin", "/O=system:masters/CN=admin"),
    Certificate("controller-manager", "/CN=system:kube-controller-manager"),
    Certificate("scheduler", "/CN=system:kube-scheduler"),
    Certificate("kubelet", f"/O=system:nodes/CN=system:node:{NODE}"),
)
"""Who speaks to the API server by a kubeconfig."""


def write_certificates(folder: Path, addresses: Addresses, environment: dict[str, str]) -> None:
    """Write two authorities, the service accounts' key, and every certificate below `folder`."""
    folder.mkdir(mode=0o700)
    openssl = OpenSsl(folder, environment)
    openssl.authority("ca")
    openssl.authority("front-ca")
    openssl.key("service-account")
    for certificate in (*_servers(addresses), *USERS):
        openssl.sign(certificate)


def write_kubeconfigs(folder: Path, certificates: Path, addresses: Addresses) -> None:
    """Write a kubeconfig for each user; the address holds inside and outside of the cluster's network."""
    folder.mkdir(mode=0o700)
    cluster = {
        "server": f"https://{addresses.node}:443",
        "certificate-authority-data": _encoded(certificates / "ca.crt"),
    }
    for user in USERS:
        credentials = {
            "client-certificate-data": _encoded(certificates / f"{user.name}.crt"),
            "client-key-data": _encoded(certificates / f"{user.name}.key"),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bed", "cluster": cluster}],
            "users": [{"name": user.name, "user": credentials}],
            "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": user.name}}],
            "current-context": "bed",
        }
        (folder / user.name).write_text(yaml.safe_dump(config))


def _servers(addresses: Addresses) -> tuple[Certificate, ...]:
    names = [
        f"DNS:kubernetes{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")
    ]
    here = ("DNS:localhost", "IP:127.0.0.1", f"IP:{addresses.node}")
    return (
        Certificate("apiserver", "/CN=kube-apiserver", "serverAuth", (*names, *here, f"IP:{addresses.api}")),
        Certificate("apiserver-to-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        Certificate("kubelet-server", f"/CN={NODE}", "serverAuth", (f"DNS:{NODE}", *here)),
        Certificate("front-proxy", "/CN=front-proxy-client", authority="front-ca"),
    )


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@dataclass(frozen=True)
class OpenSsl:
    """openssl, called in the folder of the keys."""

    folder: Path
    environment: dict[str, str]

    def key(self, name: str) -> None:
        """Make a private key, and its public half, which service account tokens are checked with."""
        self._run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        self._run("ec", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub")

    def authority(self, name: str) -> None:
        """Make a certificate that signs others."""
        self.key(name)
        self._run(
            *("req", "-x509", "-new", "-key", f"{name}.key", "-subj", f"/CN=bed-{name}"),
            *("-days", "3650", "-out", f"{name}.crt"),
        )

    def sign(self, wanted: Certificate) -> None:
        """Make a key and a certificate of it, signed by its authority."""
        self.key(wanted.name)
        request = f"{wanted.name}.csr"
        self._run("req", "-new", "-key", f"{wanted.name}.key", "-subj", wanted.subject, "-out", request)
        extensions = [
            "keyUsage=critical,digitalSignature,keyEncipherment",
            f"extendedKeyUsage={wanted.usage}",
            *([f"subjectAltName={','.join(wanted.hosts)}"] if wanted.hosts else []),
        ]
        (self.folder / f"{wanted.name}.ext").write_text("\n".join(extensions) + "\n")
        self._run(
            *("x509", "-req", "-in", request, "-days", "3650", "-extfile", f"{wanted.name}.ext"),
            *("-CA", f"{wanted.authority}.crt", "-CAkey", f"{wanted.authority}.key", "-CAcreateserial"),
            *("-out", f"{wanted.name}.crt"),
        )

    def _run(self, *arguments: str) -> None:
        command = ["openssl", *arguments]
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True, capture_output=True)
