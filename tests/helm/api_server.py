"""A real API server without nodes and controllers: it validates, admits and stores what Helm applies, and runs nothing."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from streams.sandbox.ports import free_ports
from tests.support.waiting import TIMEOUT_SECONDS

PROGRAMS = ("etcd", "kube-apiserver")
_TOKEN = "tests-only"  # noqa: S105  # of a server that lives as long as the tests


def programs() -> dict[str, str]:
    """Return the paths of the programs: of KUBEBUILDER_ASSETS, as controller-runtime's envtest names it, or the PATH."""
    places = os.pathsep.join([os.environ.get("KUBEBUILDER_ASSETS", ""), os.environ.get("PATH", "")])
    return {name: found for name in PROGRAMS if (found := shutil.which(name, path=places))}


class ApiServer:
    """The running server.

    Attributes:
        kubeconfig: for Helm.
    """

    def __init__(self, url: str, directory: Path) -> None:
        self._http = httpx.Client(
            base_url=url,
            verify=False,  # noqa: S501  # a certificate of its own, on loopback
            headers={"Authorization": f"Bearer {_TOKEN}"},
            trust_env=False,
            timeout=30,
        )
        self.kubeconfig = directory / "kubeconfig"
        cluster = {"server": url, "insecure-skip-tls-verify": True}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "tests", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "current-context": "tests",
        }
        self.kubeconfig.write_text(yaml.safe_dump(content), "utf-8")

    def close(self) -> None:
        """End the connections to it."""
        self._http.close()

    def ready(self) -> bool:
        """Tell whether it serves."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> dict[str, Any]:
        """Return an object or a list."""
        return self._said(self._http.get(path))

    def create(
        self, path: str, content: dict[str, Any], *, dry_run: bool = False
    ) -> dict[str, Any]:
        """Make an object; or only have it validated and admitted."""
        return self._said(
            self._http.post(path, json=content, params={"dryRun": "All"} if dry_run else {})
        )

    def apply(self, path: str, content: dict[str, Any], manager: str) -> dict[str, Any]:
        """Apply an object as `kubectl apply --server-side --force-conflicts --field-manager` does."""
        answer = self._http.patch(
            path,
            content=yaml.safe_dump(content),
            headers={"Content-Type": "application/apply-patch+yaml"},
            params={"fieldManager": manager, "force": "true"},
        )
        return self._said(answer)

    def scale(self, path: str, replicas: int) -> dict[str, Any]:
        """Set a number of replicas as the HorizontalPodAutoscaler's controller does."""
        answer = self._http.patch(
            f"{path}/scale",
            json={"spec": {"replicas": replicas}},
            headers={"Content-Type": "application/merge-patch+json"},
            params={"fieldManager": "kube-controller-manager"},
        )
        return self._said(answer)

    @staticmethod
    def _said(answer: httpx.Response) -> dict[str, Any]:
        assert answer.is_success, answer.text
        said: dict[str, Any] = answer.json()
        return said


@contextmanager
def running(directory: Path) -> Iterator[ApiServer]:
    """Start the server with its store, and end both."""
    found = programs()
    (ports,) = free_ports(1)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (directory / "sa.key").write_bytes(private)
    (directory / "sa.pub").write_bytes(public)
    (directory / "tokens.csv").write_text(f"{_TOKEN},tests,1,system:masters\n", "ascii")
    store = f"http://127.0.0.1:{ports.clients}"
    commands = {
        "etcd": [
            *("--data-dir", str(directory / "etcd"), "--unsafe-no-fsync"),
            *("--listen-client-urls", store, "--advertise-client-urls", store),
            *("--listen-peer-urls", f"http://127.0.0.1:{ports.controller}"),
        ],
        "kube-apiserver": [
            *(
                "--etcd-servers",
                store,
                "--bind-address",
                "127.0.0.1",
                "--secure-port",
                str(ports.secure),
            ),
            *("--cert-dir", str(directory / "certs"), "--authorization-mode", "AlwaysAllow"),
            *("--token-auth-file", str(directory / "tokens.csv")),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-account-key-file", str(directory / "sa.pub")),
            *("--service-account-signing-key-file", str(directory / "sa.key")),
            *("--service-cluster-ip-range", "10.0.0.0/24"),
            # There is no controller that would make a namespace's default account.
            *("--disable-admission-plugins", "ServiceAccount"),
        ],
    }
    with ExitStack() as stack:
        for name, arguments in commands.items():
            log = stack.enter_context((directory / f"{name}.log").open("w"))
            process = subprocess.Popen(  # noqa: S603  # what was found
                [found[name], *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            stack.callback(process.wait, TIMEOUT_SECONDS)
            stack.callback(process.terminate)
        server = stack.enter_context(
            closing(ApiServer(f"https://127.0.0.1:{ports.secure}", directory))
        )
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not server.ready():
            assert time.monotonic() < deadline, (directory / "kube-apiserver.log").read_text()[
                -3000:
            ]
            time.sleep(0.2)
        yield server
