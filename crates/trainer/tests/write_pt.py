"""Writes what torch.save writes, with the standard library only.

Each line of standard input is a tensor: name, axes separated by commas, hexadecimal f32 values
(little endian). Arguments: the file, and the key of a surrounding dict that holds the state dict
("-" for none). The pickle is written by pickle.Pickler with protocol 2, as torch.save does; only
the torch modules that it names are stand-ins.
"""

import collections
import io
import pickle
import sys
import types
import zipfile

torch = types.ModuleType("torch")
utils = types.ModuleType("torch._utils")
torch._utils = utils
sys.modules.update({"torch": torch, "torch._utils": utils})


class FloatStorage:
    pass


FloatStorage.__module__ = "torch"
FloatStorage.__qualname__ = "FloatStorage"
torch.FloatStorage = FloatStorage


def _rebuild_tensor_v2(*_):
    raise NotImplementedError


_rebuild_tensor_v2.__module__ = "torch._utils"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Tensor:
    def __init__(self, storage, shape):
        self.storage, self.shape = storage, shape

    def __reduce_ex__(self, protocol):
        strides, step = [], 1
        for size in reversed(self.shape):
            strides.insert(0, step)
            step *= size
        hooks = collections.OrderedDict()
        arguments = (self.storage, 0, self.shape, tuple(strides), False, hooks)
        return (_rebuild_tensor_v2, arguments)


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return ("storage", FloatStorage, value.key, "cpu", value.count)
        return None


def main():
    path, key = sys.argv[1:3]
    state, storages = collections.OrderedDict(), []
    for line in sys.stdin:
        name, shape, data = line.split()
        data = bytes.fromhex(data)
        storage = Storage(str(len(storages)), len(data) // 4)
        storages.append(data)
        state[name] = Tensor(storage, tuple(int(size) for size in shape.split(",")))
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    whole = state
    if key != "-":
        whole = {"episode": 12000, "epsilon": 0.05, "rewards": [1.5, None], key: state}
    pickled = io.BytesIO()
    Pickler(pickled, protocol=2).dump(whole)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickled.getvalue())
        archive.writestr("archive/byteorder", b"little")
        for number, data in enumerate(storages):
            info = zipfile.ZipInfo(f"archive/data/{number}")
            # torch.save aligns the values with padding in an extra field
            info.extra = b"FB" + (20).to_bytes(2, "little") + b"Z" * 20
            archive.writestr(info, data)
        archive.writestr("archive/version", b"3\n")


main()
