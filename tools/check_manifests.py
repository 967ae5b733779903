#!/usr/bin/env python3
"""Check the deployment files: usage: check_manifests.py K8S_DIRECTORY COMPOSE_FILE POD_FILE

Kubernetes: every document against the schemas of the oldest and the newest supported version (unknown keys are errors), every
file named in its kustomization, pods under the restricted Pod Security Standard, every Service backed by a Deployment with the
port it names. Compose: the same four services, hardened and with health checks. The pod: the four services as its
containers, as hardened. All: the image of this version.
"""

import re
import sys
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
    """The restricted Pod Security Standard, a read-only root and the probes and resources that we want everywhere. The kubelet asks no
    unix socket: there, readiness may be /readyz."""
    pod = spec.get("securityContext", {})
    require(pod.get("runAsNonRoot") is True, where, "pod must run as non-root")
    require(pod.get("seccompProfile", {}).get("type") == "RuntimeDefault", where, "pod must use seccomp RuntimeDefault")
    require(spec.get("automountServiceAccountToken") is False, where, "pod must not mount a service account token")
    for container in spec["containers"]:
        security = container.get("securityContext", {})
        require(security.get("allowPrivilegeEscalation") is False, where, "privilege escalation must be off")
        require(security.get("readOnlyRootFilesystem") is True, where, "root file system must be read-only")
        require(security.get("capabilities", {}).get("drop") == ["ALL"], where, "all capabilities must be dropped")
        # A process that is not ready, or waits for another, must not be killed for it: that is for readiness alone.
        require("startupProbe" in container, where, "no startupProbe")
        readiness = container.get("readinessProbe", {})
        asked = "grpc" in readiness or (sockets and readiness.get("httpGet", {}).get("path") == "/readyz")
        require(asked, where, "readinessProbe must be native gRPC, or /readyz where that cannot be")
        require(container.get("livenessProbe", {}).get("httpGet", {}).get("path") == "/livez", where, "livenessProbe must be /livez")
        for part in ("requests", "limits"):
            require("memory" in container.get("resources", {}).get(part, {}), where, f"no memory in resources.{part}")


def check_kustomization(file: Path, version: str) -> None:
    kustomization = yaml.safe_load(file.read_text())
    listed = set(kustomization.get("resources", []))
    present = {other.name for other in file.parent.glob("*.yaml") if other != file}
    for name in sorted(present - listed):
        problems.append(f"{file}: {name} is not listed in resources")
    for name in sorted(listed):
        require((file.parent / name).exists(), str(file), f"resource {name} does not exist")
    for image in kustomization.get("images", []):
        require(image.get("newTag") == version, str(file), f"image tag must be {version}, the version in Cargo.toml")


def check_kubernetes(directory: Path, version: str) -> None:
    deployments: dict[str, dict] = {}
    services: dict[str, dict] = {}
    for file in sorted(directory.rglob("*.yaml")):
        if file.name == "kustomization.yaml":
            check_kustomization(file, version)
            continue
        require((file.parent / "kustomization.yaml").exists(), str(file), "no kustomization.yaml beside it")
        for document in yaml.safe_load_all(file.read_text()):
            where = f"{file}: {document['kind']}/{document['metadata']['name']}"
            validate(document, where)
            if document["kind"] == "Deployment":
                deployments[document["metadata"]["name"]] = document
                check_pod(document["spec"]["template"]["spec"], where)
            elif document["kind"] == "Service":
                services[document["metadata"]["name"]] = document
    require(set(deployments) == SERVICES, str(directory), f"Deployments are {sorted(deployments)}, not {sorted(SERVICES)}")
    require(set(services) == SERVICES, str(directory), f"Services are {sorted(services)}, not {sorted(SERVICES)}")
    for name in sorted(set(services) & set(deployments)):
        check_service(services[name]["spec"], deployments[name]["spec"]["template"], f"{directory}: Service/{name}")


def check_service(service: dict, pod: dict, where: str) -> None:
    labels = pod["metadata"]["labels"]
    require(service.get("clusterIP") == "None", where, "must be headless: a name is as many replicas as it has addresses")
    require(service["selector"].items() <= labels.items(), where, f"selects {service['selector']}, pods have {labels}")
    ports = {port["name"]: port["containerPort"] for c in pod["spec"]["containers"] for port in c.get("ports", [])}
    for port in service["ports"]:
        require(ports.get(port["targetPort"]) == port["port"], where, f"port {port['port']} is not the pod's {port['targetPort']}")


def check_compose(file: Path, version: str) -> None:
    services = yaml.safe_load(file.read_text())["services"]
    require(set(services) == SERVICES, str(file), f"services are {sorted(services)}, not {sorted(SERVICES)}")
    for name, service in services.items():
        where = f"{file}: {name}"
        require(f":-strata:{version}" in service["image"], where, f"image tag must be {version}, the version in Cargo.toml")
        require(service.get("read_only") is True, where, "must be read_only")
        require(service.get("cap_drop") == ["ALL"], where, "must drop all capabilities")
        require("no-new-privileges:true" in service.get("security_opt", []), where, "must set no-new-privileges")
        for key in ("healthcheck", "mem_limit", "pids_limit", "cpus"):
            require(key in service, where, f"no {key}")
        for port in service.get("ports", []):
            require(port.startswith("127.0.0.1:"), where, f"port {port} must be published on loopback only")


def check_one_pod(file: Path, version: str) -> None:
    document = yaml.safe_load(file.read_text())
    validate(document, str(file))
    pod = document["spec"]["template"]["spec"]
    check_pod(pod, str(file), sockets=True)
    names = {container["name"] for container in pod["containers"]}
    require(names == SERVICES, str(file), f"containers are {sorted(names)}, not {sorted(SERVICES)}")
    for container in pod["containers"]:
        require(container["image"] == f"strata:{version}", str(file), f"image must be strata:{version}, the version in Cargo.toml")


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
