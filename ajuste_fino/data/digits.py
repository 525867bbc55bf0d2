"""scikit-learn's 1,797 handwritten digits, written out as the folder of images that a user would bring."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from ajuste_fino.files import cache_folder, in_cache, writable_cache

SIDE = 8  # px; the source's own size


def digits_folder() -> Path:
    """The folder of `class/number.png`, made in the cache at the first call.

    Source: UCI Machine Learning Repository, Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998), as
    `sklearn.datasets.load_digits` ships it: 8 × 8 pixels of 17 grey levels.
    """
    folder = cache_folder() / "digits"
    if not in_cache("digits"):
        writable_cache()
        temporary = Path(tempfile.mkdtemp(prefix=".digits.", dir=folder.parent))
        try:
            _write(temporary)
            temporary.chmod(0o755)
            temporary.rename(folder)
        except OSError as error:
            error.filename = str(folder)
            if not folder.exists():  # another process may have been first, which is as good
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write(folder: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{number:04}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((pixels * 255 / 16).round().astype(np.uint8)).save(path)
