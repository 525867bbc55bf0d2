"""What an export needs beyond torch, and how its libraries are kept quiet."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from ajuste_fino.errors import UserError

ONNX = ("onnx", "onnxscript", "onnxruntime")
INSTALL = "pip install 'ajuste-fino[export]'"


def missing(names: Sequence[str] = ONNX) -> list[str]:
    """Return those libraries that are not installed; nothing of them is imported."""
    return [name for name in names if find_spec(name) is None]


def require_onnx() -> None:
    """Refuse to begin without the libraries that write and run ONNX.

    Raises:
        UserError: where one is missing.
    """
    if lacking := missing():
        fix = f"Install them: {INSTALL}. Or pass format=pt2, which needs torch alone."
        raise UserError("format=onnx", f"needs {', '.join(lacking)}", fix=fix)


@contextmanager
def quiet() -> Iterator[None]:
    """What these libraries say of their own code is for their authors; what comes out is compared with the model."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
