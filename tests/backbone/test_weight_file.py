"""What is read as weights, and what a file that holds none is said to be."""

import argparse
import gzip
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from ajuste_fino.backbone.weight_file import NotWeights, read, tensors_of
from ajuste_fino.errors import UserError
from ajuste_fino.files import sha256

STATE = {"a.weight": torch.arange(4096.0), "a.bias": torch.ones(3)}


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def saved(content, **how):
    buffer = io.BytesIO()
    torch.save(content, buffer, **how)
    return buffer.getvalue()


def zipped(name, content=b"x"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("w.pth"))
    return buffer.getvalue()


def arrays():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


def scripted():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), buffer)
    return buffer.getvalue()


def naming(storage):
    """A file whose tensor lies in a part that is not there, which torch's error names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved({"a": torch.ones(3)}))) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            key = b"X\x01\0\0\x000", b"X" + len(storage).to_bytes(4, "little") + storage
            new.writestr(name, old.read(name).replace(*key) if name.endswith("data.pkl") else old.read(name))
    return buffer.getvalue()


OLD = {"_use_new_zipfile_serialization": False}
NETWORK = r"a whole network as Python objects \(torch.nn.modules.linear.Linear\)"
KINDS = {
    "empty": (b"", "is empty"),
    "zeros": (bytes(9000), "nothing but zeros"),
    "text": (b"404: not \x1b[31mfound\n", "is a text"),
    "text in UTF-8": ("no encontrado: año".encode(), "is a text"),
    "text in UTF-16": ("not found".encode("utf-16"), "is a text"),
    "web page": (b"\xef\xbb\xbf\n <!DOCTYPE html><html></html>", "web page"),
    "answer of a store": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "web page"),
    "JSON": (b'{"error": "gated"}', "JSON"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS pointer"),
    "network": (saved(torch.nn.Linear(1, 1)), NETWORK),
    "network, old": (saved(torch.nn.Linear(1, 1), **OLD), NETWORK),
    "network, by pickle": (pickle.dumps(torch.nn.Linear(1, 1)), NETWORK),
    "payload": (saved({**STATE, "x": Payload()}), r"Python objects \(\w+.exec\)"),
    "payload, by pickle": (pickle.dumps(Payload()), r"Python objects \(\w+.exec\)"),
    "arguments": (saved({"state_dict": STATE, "args": argparse.Namespace(a=1)}), "argparse.Namespace"),
    "xz": (b"\xfd7zXZ\0" + bytes(100), r"is an archive \(xz\).* Unpack it"),
    "annex": (b"/annex/objects/SHA256E-s1--w.pth", "git-annex pointer.* git annex get"),
    "PDF": (b"%PDF-1.7\n", "is a PDF"),
    "photo": (b"\xff\xd8\xff\xe0" + bytes(100), "is an image"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "Keras": (zipped("model.weights.h5"), "Keras"),
    "ONNX": (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:" + bytes(100), "ONNX"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(100), "TensorFlow Lite"),
    "NumPy": (b"\x93NUMPY\x01\x00" + bytes(100), "NumPy"),
    "arrays": (arrays(), "NumPy"),
    "ZIP": (zipped("a/w.pth"), "ZIP archive"),
    "tar": (tarred(), "tar archive"),
    "gzip": (gzip.compress(saved(STATE)), "gzip"),
    "noise": (b"\xc3" + bytes(range(256)) * 9, "not known here"),
    "word of torch's, by pickle": (b"\x80\x02callocate\nmodule\n.", r"Python objects \(allocate.module\)"),
    "words of torch's, by pickle": (b"\x80\x02ccan't allocate memory\nm\n.", r"Python objects \(can't.allocate.memory.m\)"),
    "words of torch's": (naming(b"out of memory"), "damaged or not complete"),
    "list": (saved([STATE]), r"holds them within a list.*torch.save\(content\[0\], "),
    "list in a dict": (saved({"n": 1, "models": [STATE, STATE]}), r"within a list.*torch.save\(content\['models'\]\[0\], "),
    "tuple in dicts": (saved({"a": {"b": (3, {"state": STATE})}}), r"within a list.*content\['a'\]\['b'\]\[1\], "),
    "list of tensors": (saved([torch.zeros(1)]), "a list without any"),
    "list of numbers": (saved([1, 2]), "a list without any"),
    **{
        f"pickle of {len(repr(value))}, protocol {n}": (pickle.dumps(value, n), "is a pickle that torch.save did not write")
        for n in (0, 1, 2, 5)
        for value in ([1, 2], {"a": 1}, "text", {"epoch": 3, "loss": [0.5]})
    },
    "payload, protocol 0": (pickle.dumps(Payload(), 0), r"Python objects \(\w+.exec\)"),
    "tensor": (saved(torch.zeros(1)), "a single tensor"),
    "numbers": (saved({"a": 1}), "a dict without any"),
    "optimizer": (saved({"state": {0: {"m": torch.zeros(1)}}}), "a dict without any"),
    **{f"zip cut at {n}": (saved(STATE)[:n], "damaged or not complete") for n in (10, 300, 9000, -10)},
    **{f"pickle cut at {n}": (saved(STATE, **OLD)[:n], "damaged or not complete") for n in (10, 300, 9000, -10)},
    **{f"safetensors cut at {n}": (save(STATE)[:n], "damaged or not complete") for n in (9, 100, -10)},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_holds_no_tensors_is_told_and_nothing_is_run(tmp_path, kind, suffix):
    content, message = KINDS[kind]
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"backbone.weights=.*{message}") as caught:
        read(path)
    assert not any(word in str(caught.value) for word in ("weights_only", "two options", "\x1b", "\n"))


@pytest.mark.filterwarnings("ignore")
def test_an_archive_of_torchscript_is_told(tmp_path):
    (tmp_path / "w.pt").write_bytes(scripted())
    with pytest.raises(UserError, match="TorchScript"):
        read(tmp_path / "w.pt")


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(UserError, match="must be a file on this machine"):
        read("https://example.org/w.pth")
    with pytest.raises(UserError, match="existing path"):
        read(tmp_path / "w.pth")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="no regular file"):
        read(tmp_path / "pipe")
    (tmp_path / "a.pth").touch()
    with pytest.raises(UserError, match=r"is a folder. Pass a file of it, such as .*a.pth"):
        read(tmp_path)


@pytest.mark.parametrize("folder", ["plain", "a\u200bb", "x\ny", "x\xa0y"])
@pytest.mark.parametrize("name", ["a.pth", "a\u200b.pth", "\x1b.pth"])
def test_a_path_that_is_advised_is_one_that_is_there(tmp_path, folder, name):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / name).touch()
    with pytest.raises(UserError, match="is a folder. Pass a file of it") as caught:
        read(tmp_path / folder)
    _, such, path = str(caught.value).rstrip(".").partition("such as ")
    assert bool(such) == f"{folder}{name}".isprintable()
    assert not such or Path(path).exists()


@pytest.mark.parametrize("content", [saved(STATE), saved(STATE, **OLD), save(STATE), saved({"model": STATE, "epoch": 1})])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".ckpt", ""])
def test_a_file_is_known_by_its_content(tmp_path, content, suffix):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    for digits in ("", sha256(path)[:8], sha256(path)):
        tensors = {name.removeprefix("model::"): tensor for name, tensor in tensors_of(path, digits).items()}
        assert all(torch.equal(STATE[name], tensors[name]) for name in STATE)
    with pytest.raises(NotWeights, match="SHA-256"):
        tensors_of(path, "0123456789abcdef")


@pytest.mark.parametrize("word", ["imagenet", "DEFAULT", "IMAGENET1K_V1", "Pretrained", "true", "None"])
def test_a_word_for_weights_leads_to_those_that_are_known(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"must be pretrained, none or an existing path; got {word}. Pass pretrained for"):
        read(word)
    torch.save(STATE, tmp_path / word)
    assert read(word).keys() == STATE.keys()


@pytest.mark.parametrize("path", ["a/imagenet", "imagenet.pth", "~/imagenet", ""])
def test_a_path_is_no_word(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"must be an existing path|must name a file"):
        read(path)


def overwritten(content, name):
    """The file with a byte changed within one of its records."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        record = archive.read(next(n for n in archive.namelist() if n.endswith(name)))
    place = content.index(record) + len(record) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("record", ["data/0", "data/1"])
def test_a_byte_that_was_overwritten_is_seen(tmp_path, record, suffix):
    (tmp_path / f"w{suffix}").write_bytes(overwritten(saved(STATE), record))
    with pytest.raises(UserError, match=f"is damaged: by its CRC-32, .*{record} in it"):
        read(tmp_path / f"w{suffix}")


def test_a_file_without_checksums_is_read(tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(STATE, tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(before)
    assert read(tmp_path / "w.pth").keys() == STATE.keys()


def test_a_file_that_holds_itself_is_read(tmp_path):
    content = dict(STATE)
    content["again"] = content
    torch.save(content, tmp_path / "w.pth")
    assert "a.weight" in read(tmp_path / "w.pth")


def shared(keys, levels):
    inner = dict(STATE)
    for _ in range(levels):
        inner = {f"k{n}": inner for n in range(keys)}
    return inner


def holding_itself(keys):
    content = dict(STATE)
    content.update({f"k{n}": content for n in range(keys)})
    return content


@pytest.mark.parametrize("content", [shared(8, 8), holding_itself(8), {"a": shared(40, 7), "b": shared(40, 7)}])
def test_mappings_that_are_shared_are_read_once(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    names = [name.rpartition("::")[2] for name in read(tmp_path / "w.pth")]
    assert sorted(set(names)) == ["a.bias", "a.weight"]
    assert len(names) <= 4


FULL = [MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: 9 bytes")]


@pytest.mark.parametrize("error", FULL)
def test_a_full_memory_is_not_taken_for_a_damaged_file(tmp_path, monkeypatch, error):
    (tmp_path / "w.pth").write_bytes(saved(STATE))
    monkeypatch.setattr(torch, "load", lambda *_, **__: (_ for _ in ()).throw(error))
    with pytest.raises(type(error)):
        read(tmp_path / "w.pth")
