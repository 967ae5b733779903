#!/usr/bin/env python3
"""Install the pinned ONNX Runtime library where the services look for it.

usage: ort.py [DIRECTORY]    (default .ort)

Downloads the onnxruntime wheel with pip, checks its sha256 against the table below, and unpacks the
shared library and its licences. Does nothing if the directory holds the library of this wheel. The
library does not depend on the version of Python: the wheel for one version serves every machine.
"""

import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VERSION = "1.31.0"
# machine -> sha256 of onnxruntime-VERSION-cp311-cp311-manylinux_2_28_MACHINE.whl
WHEELS = {
    "x86_64": "d4092b78fc5bab77ce6522393098cdb2535423045ecdcff15cc0d022162d6b66",
    "aarch64": "37c7dfe398550afdf9670a29315dbb88e49d8afc473ffaf1f410376efbb9c80a",
}
# Member of the wheel -> name in the directory. The library is last: if it is there, all are.
MEMBERS = {
    "onnxruntime/LICENSE": "LICENSE",
    "onnxruntime/ThirdPartyNotices.txt": "ThirdPartyNotices.txt",
    f"onnxruntime/capi/libonnxruntime.so.{VERSION}": "libonnxruntime.so",
}


def download(machine: str, into: Path) -> Path:
    """Fetch the wheel for `machine` with pip and return its path."""
    if importlib.util.find_spec("pip") is None:
        advice = "install it (Debian and Ubuntu: apt-get install python3-pip)"
        sys.exit(f"ort: this python3 has no pip; {advice}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--implementation=cp"]
    command += ["--python-version=311", "--abi=cp311"]
    command += [f"--platform=manylinux_2_28_{machine}", f"--dest={into}", f"onnxruntime=={VERSION}"]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit("ort: pip could not download the wheel; check the network and pip's package index")
    return next(into.glob("*.whl"))


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else ".ort")
    machine = platform.machine()
    if sys.platform != "linux" or machine not in WHEELS:
        sys.exit(
            f"ort: no pinned ONNX Runtime for {sys.platform} {machine}; "
            f"install version {VERSION} yourself and name the library in STRATA_ORT_LIB"
        )
    stamp = directory / "VERSION"
    wanted = f"onnxruntime {VERSION} wheel sha256:{WHEELS[machine]}\n"
    installed = stamp.is_file() and stamp.read_text() == wanted
    if installed and (directory / "libonnxruntime.so").is_file():
        return

    directory.mkdir(parents=True, exist_ok=True)
    # A rename within one file system is atomic, so that no process sees half a library.
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        wheel = download(machine, Path(scratch))
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != WHEELS[machine]:
            expected = WHEELS[machine]
            sys.exit(f"ort: {wheel.name} has sha256 {found}, not {expected}; nothing was installed")
        with zipfile.ZipFile(wheel) as archive:
            for member, name in MEMBERS.items():
                os.replace(archive.extract(member, scratch), directory / name)
        note = Path(scratch) / "VERSION"
        note.write_text(wanted)
        os.replace(note, stamp)
    print(f"ort: ONNX Runtime {VERSION} ({machine}) is in {directory}")


if __name__ == "__main__":
    main()
