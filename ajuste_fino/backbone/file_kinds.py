"""What a file is that was given for weights and holds none: said in plain words, found without running anything in it."""

import pickletools
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ajuste_fino.escape import printable
from ajuste_fino.signatures import by_first_bytes

HEAD = 8 * 2**20  # bytes that are looked at; the classes that a pickle names come first
MOST = 100  # characters that are shown of a name out of a file
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
WHOLE = "Copy or download it again."
ITSELF = "Download the file itself: the address may ask for a login, or lead to a page about the file."
SAVE = "Where it was made, save the tensors alone: torch.save(net.state_dict(), 'weights.pth')."
UNPACK = "Unpack it and pass the .pth or .safetensors file inside."
# what torch itself writes for tensors; whatever else a pickle names is a Python object
OF_TENSORS = ("torch._utils ", "torch._tensor ", "torch.storage ", "torch.nn.parameter ", "collections ", "_codecs encode")
SETS = ("builtins set", "__builtin__ set")
OF_NETWORKS = ("torch.nn.", "torchvision.models.", "timm.", "torch.fx.", "torch.ao.", "torch.optim.swa_utils")
IMAGES = (b"\x89PNG", b"\xff\xd8\xff")
FIXES = {  # of what a file is by its first bytes; an archive is unpacked, and all else was fetched in the place of weights
    "a Git LFS pointer": "Run git lfs pull in its repository.",
    "a git-annex pointer": "Run git annex get in its repository.",
    **dict.fromkeys(("an HDF5 file", "a NumPy array", "a GGUF file of a language model"), SAVE),
}
MEMBERS = (  # what a ZIP holds, what it is, what to do
    ("constants.pkl", "is a TorchScript archive, which holds code", SAVE),
    ("serialized_exported_program.json", "is a program of torch.export, which holds code", SAVE),
    ("archive_format", "is a program of torch.export, which holds code", SAVE),
    ("model.weights.h5", "is a model of Keras", SAVE),
    ("SHA256SUMS", "is a trained model in a ZIP archive", "Unpack it and pass its model.safetensors."),
)


class Kind(NamedTuple):
    """What a file is, as the rest of a sentence that begins with its name, and what to do about it."""

    what: str
    fix: str


def of_place(path: Path) -> Kind:
    """What is at a path where there is no file: a folder, or a device."""
    if not path.is_dir():
        return Kind("is no regular file", "Pass a .pth or .safetensors file.")
    if (path / "saved_model.pb").exists():
        return Kind("is a folder with a model of TensorFlow", SAVE)
    inside = sorted(str(file) for file in path.iterdir() if file.suffix in SUFFIXES)
    as_shown = next((file for file in inside if file == printable(file)), None)  # codes would name another file
    such = f", such as {as_shown}" if as_shown else f": its name ends in {Path(inside[0]).suffix}" if inside else ""
    return Kind("is a folder", f"Pass a file of it{such}." if inside else "Pass a .pth or .safetensors file.")


def of_content(file: BinaryIO, suffix: str) -> Kind:
    """What the content of a file is that cannot be read as tensors."""
    file.seek(0)
    head = file.read(HEAD)
    if not head.strip(b"\0"):
        return Kind("holds nothing but zeros" if head else "is empty", WHOLE)
    if head.startswith(b"PK"):
        return _of_zip(file)
    if head.startswith(IMAGES):
        return Kind("is an image", "Pass a .pth or .safetensors file.")
    return _of_signature(head) or _of_plain_pickle(head) or _of_text(head) or _of_binary(head, suffix)


def _of_signature(head: bytes) -> Kind | None:
    if begins_like_safetensors(head) or not (kind := by_first_bytes(head)):
        return None
    what = f"is {kind}, as Keras and TensorFlow write it" if kind == "an HDF5 file" else f"is {kind}"
    return Kind(what, FIXES.get(kind, UNPACK if kind.startswith("an archive") else ITSELF))


def _of_plain_pickle(head: bytes) -> Kind | None:
    """What a file is that is one pickle from end to end; torch.save writes several, one after the other, or a ZIP."""
    if not _is_one_pickle(head):
        return None
    named = any(not _is_of_tensors(name) for name in _classes(BytesIO(head)))
    return _of_pickle(BytesIO(head)) if named else Kind("is a pickle that torch.save did not write", SAVE)


def _is_one_pickle(head: bytes) -> bool:
    last = -1
    try:
        for code, _, place in pickletools.genops(head):
            last = place if code.name == "STOP" and place else -1
    except Exception:  # whatever another kind of file makes of the parser
        return False
    return last == len(head) - 1


def _of_text(head: bytes) -> Kind | None:
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "latin-1"  # UTF-8, too, has no control codes
    text = head[:4096].decode(encoding, errors="replace").lstrip("\xef\xbb\xbf\ufeff \t\r\n")
    if any(ord(letter) < 32 and letter not in "\t\n\f\r\x1b" for letter in text):
        return None
    if text.startswith("<"):
        return Kind("is a web page (HTML or XML), not the file itself", ITSELF)
    return Kind("is a text (JSON)" if text.startswith(("{", "[")) else "is a text", ITSELF)


def _of_binary(head: bytes, suffix: str) -> Kind:
    if head[4:8] == b"TFL3":
        return Kind("is a model of TensorFlow Lite", SAVE)
    if head[257:262] == b"ustar":
        return Kind("is a tar archive, or as old as torch 0.1, which wrote weights so", UNPACK)
    if begins_like_safetensors(head):
        return Kind("is a .safetensors file that is damaged or not complete", WHOLE)
    if suffix.lower() == ".onnx" or (head[:1] == b"\x08" and any(word in head[:256] for word in (b"onnx", b"pytorch", b"tf2"))):
        return Kind("is a model in ONNX", SAVE)
    if suffix.lower() == ".pb":
        return Kind("is a model of TensorFlow", SAVE)
    if head[:1] == b"\x80":
        return _of_pickle(BytesIO(head))
    return Kind("is of a kind that is not known here, or damaged", f"Pass a .pth or .safetensors file. {WHOLE}")


def _of_zip(file: BinaryIO) -> Kind:
    try:
        with zipfile.ZipFile(file) as archive:
            names = [info.filename for info in archive.infolist()]
            last = {name.rstrip("/").rpartition("/")[2] for name in names}
            for member, what, fix in MEMBERS:
                if member in last:
                    return Kind(what, fix)
            pickled = next((name for name in names if name.endswith("data.pkl")), None)
            if pickled:
                with archive.open(pickled) as content:
                    return _of_pickle(BytesIO(content.read(HEAD)))
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError):
        return Kind("is damaged or not complete", WHOLE)
    if names and all(name.endswith(".npy") for name in names):
        return Kind("is a file of arrays of NumPy (.npz)", SAVE)
    return Kind("is a ZIP archive", UNPACK)


def _of_pickle(content: BytesIO) -> Kind:
    named = [name for name in dict.fromkeys(_classes(content)) if not _is_of_tensors(name)]
    if not named:
        return Kind("is damaged or not complete", WHOLE)
    network = any(name.startswith(OF_NETWORKS) for name in named)  # its own class is named first
    shown = ", ".join(printable(name.replace(" ", "."), most=MOST) for name in named[: 1 if network else 3])
    what = "a whole network as Python objects" if network else "Python objects"
    return Kind(f"holds {what} ({shown}), and reading those would run code", SAVE)


def _is_of_tensors(name: str) -> bool:
    home, _, last = name.partition(" ")
    return name.startswith((*OF_TENSORS, *SETS)) or (home == "torch" and "." not in last)


def _classes(content: BytesIO) -> Iterator[str]:
    """`module name` of each class or function that a file's pickles name, one after the other, as far as they are whole."""
    texts: list[str] = []
    memo: dict[Any, str] = {}
    try:
        while True:
            for code, argument, _ in pickletools.genops(content):
                if code.name == "GLOBAL":
                    yield str(argument)
                elif code.name == "STACK_GLOBAL":
                    yield " ".join(texts[-2:])
                elif "UNICODE" in code.name:
                    texts.append(str(argument))
                elif code.name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
                    memo[len(memo) if argument is None else argument] = texts[-1] if texts else ""
                elif code.name in ("GET", "BINGET", "LONG_BINGET"):
                    texts.append(memo.get(argument, ""))
    except Exception:  # whatever a damaged pickle makes of the parser: what it named until there is known
        return


def begins_like_safetensors(head: bytes) -> bool:
    """Whether a file begins with the length of a header in JSON, as .safetensors files do."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100 * 2**20
