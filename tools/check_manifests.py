#!/usr/bin/env python3
"""Check the deployment files: usage: check_manifests.py K8S_DIRECTORY COMPOSE_FILE POD_FILE

Kubernetes: every document matches the schemas of the oldest and the newest supported version
(unknown keys are errors), every file is named in its kustomization, pods meet the restricted Pod
Security Standard, and every Service has a Deployment with the port it names. Compose: the same four
services are hardened and have health checks. The pod: the four services are its containers,
hardened the same way. All of them use the image of this version.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import kubernetes_validate
import yaml

VERSIONS = ["1.29", "1.37"]
SERVICES = {"coordinator", "strategic", "tactical", "operational"}
ROOT = Path(__file__).resolve().parent.parent

problems: list[str] = []


def require(condition: object, where: str, what: str) -> None:
    """Note a problem unless the condition holds."""
    if not condition:
        problems.append(f"{where}: {what}")


def validate(document: dict, where: str) -> None:
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            path = ".".join(str(part) for part in error.path)
            problems.append(f"{where}: Kubernetes {version}: {path}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            problems.append(f"{where}: {error.message}")


def check_pod(spec: dict, where: str, sockets: bool = False) -> None:
    """Check the restricted Pod Security Standard, a read-only root, the probes and the resources.

    The kubelet cannot probe a unix socket over gRPC: with sockets, readiness may be /readyz.
    """
    pod = spec.get("securityContext", {})
    require(pod.get("runAsNonRoot") is True, where, "pod must run as non-root")
    seccomp = pod.get("seccompProfile", {}).get("type")
    require(seccomp == "RuntimeDefault", where, "pod must use seccomp RuntimeDefault")
    token = spec.get("automountServiceAccountToken")
    require(token is False, where, "pod must not mount a service account token")
    for container in spec["containers"]:
        security = container.get("securityContext", {})
        escalation = security.get("allowPrivilegeEscalation")
        require(escalation is False, where, "privilege escalation must be off")
        read_only = security.get("readOnlyRootFilesystem")
        require(read_only is True, where, "root file system must be read-only")
        dropped = security.get("capabilities", {}).get("drop")
        require(dropped == ["ALL"], where, "all capabilities must be dropped")
        # The kubelet must not kill a process that is not ready or waits for another: only the
        # readiness probe may ask for that.
        require("startupProbe" in container, where, "no startupProbe")
        readiness = container.get("readinessProbe", {})
        readyz = sockets and readiness.get("httpGet", {}).get("path") == "/readyz"
        native = "grpc" in readiness
        require(native or readyz, where, "readinessProbe must be native gRPC; /readyz with sockets")
        liveness = container.get("livenessProbe", {}).get("httpGet", {}).get("path")
        require(liveness == "/livez", where, "livenessProbe must be /livez")
        for part in ("requests", "limits"):
            resources = container.get("resources", {}).get(part, {})
            require("memory" in resources, where, f"no memory in resources.{part}")


def check_kustomization(file: Path, version: str) -> None:
    kustomization = yaml.safe_load(file.read_text())
    listed = set(kustomization.get("resources", []))
    present = {other.name for other in file.parent.glob("*.yaml") if other != file}
    for name in sorted(present - listed):
        problems.append(f"{file}: {name} is not listed in resources")
    for name in sorted(listed):
        require((file.parent / name).exists(), str(file), f"resource {name} does not exist")
    for image in kustomization.get("images", []):
        require(image.get("newTag") == version, str(file), f"image tag must be {version}")


def check_kubernetes(directory: Path, version: str) -> None:
    deployments: dict[str, dict] = {}
    services: dict[str, dict] = {}
    for file in sorted(directory.rglob("*.yaml")):
        if file.name == "kustomization.yaml":
            check_kustomization(file, version)
            continue
        kustomization = file.parent / "kustomization.yaml"
        require(kustomization.exists(), str(file), "no kustomization.yaml beside it")
        for document in yaml.safe_load_all(file.read_text()):
            where = f"{file}: {document['kind']}/{document['metadata']['name']}"
            validate(document, where)
            if document["kind"] == "Deployment":
                deployments[document["metadata"]["name"]] = document
                check_pod(document["spec"]["template"]["spec"], where)
            elif document["kind"] == "Service":
                services[document["metadata"]["name"]] = document
    require_services(deployments, str(directory), "Deployments")
    require_services(services, str(directory), "Services")
    for name in sorted(set(services) & set(deployments)):
        pod = deployments[name]["spec"]["template"]
        check_service(services[name]["spec"], pod, f"{directory}: Service/{name}")


def require_services(found: Iterable[str], where: str, what: str) -> None:
    """Note a problem unless exactly the four services were found."""
    names = sorted(found)
    require(set(names) == SERVICES, where, f"{what} are {names}, not {sorted(SERVICES)}")


def check_service(service: dict, pod: dict, where: str) -> None:
    labels = pod["metadata"]["labels"]
    # The coordinator connects to every address that the name resolves to.
    require(service.get("clusterIP") == "None", where, "must be headless")
    selector = service["selector"]
    require(selector.items() <= labels.items(), where, f"selects {selector}, pods have {labels}")
    pod_ports = [port for c in pod["spec"]["containers"] for port in c.get("ports", [])]
    ports = {port["name"]: port["containerPort"] for port in pod_ports}
    for port in service["ports"]:
        number, target = port["port"], port["targetPort"]
        require(ports.get(target) == number, where, f"port {number} is not the pod's {target}")


def check_compose(file: Path, version: str) -> None:
    services = yaml.safe_load(file.read_text())["services"]
    require_services(services, str(file), "services")
    for name, service in services.items():
        where = f"{file}: {name}"
        image = service["image"]
        require(f":-strata:{version}" in image, where, f"image tag must be {version}")
        require(service.get("read_only") is True, where, "must be read_only")
        require(service.get("cap_drop") == ["ALL"], where, "must drop all capabilities")
        options = service.get("security_opt", [])
        require("no-new-privileges:true" in options, where, "must set no-new-privileges")
        for key in ("healthcheck", "mem_limit", "pids_limit", "cpus"):
            require(key in service, where, f"no {key}")
        for port in service.get("ports", []):
            loopback = port.startswith("127.0.0.1:")
            require(loopback, where, f"port {port} must be published on loopback only")


def check_one_pod(file: Path, version: str) -> None:
    document = yaml.safe_load(file.read_text())
    validate(document, str(file))
    pod = document["spec"]["template"]["spec"]
    check_pod(pod, str(file), sockets=True)
    names = {container["name"] for container in pod["containers"]}
    require_services(names, str(file), "containers")
    for container in pod["containers"]:
        image = f"strata:{version}"
        require(container["image"] == image, str(file), f"image must be {image}")


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    found = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    version = found.group(1) if found else sys.exit("manifests: no version in Cargo.toml")
    check_kubernetes(Path(sys.argv[1]), version)
    check_compose(Path(sys.argv[2]), version)
    check_one_pod(Path(sys.argv[3]), version)
    if problems:
        sys.exit("\n".join(problems))
    print(f"manifests: valid for Kubernetes {' and '.join(VERSIONS)}")


if __name__ == "__main__":
    main()
