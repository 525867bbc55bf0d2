"""What names of files and folders mean: splits, clutter, and the order in which people count."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from ajuste_fino.errors import UserError
from ajuste_fino.escape import printable, quoted

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
# other words for splits, without accents
WORDS = {
    **SPLIT_NAMES,
    **dict.fromkeys(("training", "trainings", "trn", "entrenamiento", "entreno", "entrenar"), "train"),
    **dict.fromkeys(("trainieren", "lernen", "entrainement", "apprentissage"), "train"),
    **dict.fromkeys(("treino", "treinamento", "treinar", "addestramento", "allenamento"), "train"),
    **dict.fromkeys(("validate", "validating", "validacion", "dev", "eval", "evaluation", "evaluacion"), "val"),
    **dict.fromkeys(("validieren", "validierung", "validierungs", "validacao", "avaliacao", "validazione", "convalida"), "val"),
    **dict.fromkeys(("testing", "tst", "holdout", "prueba", "pruebas", "testen", "essai", "essais"), "test"),
    **dict.fromkeys(("teste", "testes", "testar", "prova", "collaudo"), "test"),
}
PLAIN = ("train", "val", "validation", "test")  # words that hardly name a class; `valid` and `training` may
# what stands beside such a word and says nothing: training_set, seg_train, test images
FILLERS = {
    *("set", "sets", "data", "dataset", "image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "pics"),
    *("sample", "samples", "split", "folder", "seg", "conjunto", "datos", "imagen", "imagenes", "foto", "fotos", "de"),
    *("daten", "datensatz", "satz", "bilder", "donnees", "jeu", "ensemble", "dados", "imagens", "dati", "immagini", "di", "du"),
}
UNLABELLED = {"pred", "predict", "unlabeled", "unlabelled"}  # words for images without a class, beside splits
RUN_TOGETHER = re.compile(
    r"(?<![^\W\d_])(train|trainings?|val|valid|validation|validierungs|test|testing)"
    r"(set|data|images|imgs|daten|datensatz|bilder)(?![^\W\d_])"
)
# left in a folder by systems, by disks on the network and by programs that show images; compared without case
CLUTTER = {
    *("__macosx", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "icon\r"),
    *("@eadir", "@recycle", "#recycle", "@__thumb", "#snapshot", "@recently-snapshot", "@tmp"),
    *("$recycle.bin", "system volume information", "lost+found", "found.000", "__pycache__"),
}
CLUTTER_WITHOUT_IMAGES = {"recycler", "node_modules", "network trash folder", "temporary items"}  # with some, a class
CLUTTER_SUFFIX = ".lrdata"  # previews of Lightroom
NUMBER = re.compile(r"(\d+)")
CONTEST = re.compile(r"(?i)^\s*(public|private)[\s_-]*(?=test)")
QUOTES = "'\"`‘’“”"


def natural(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """A sort key under which 2 comes before 10; names that are equal as numbers, 1 and 01, are ordered as texts."""
    parts: list[str | tuple[int, str]] = [*NUMBER.split(name)]  # a text, which may be empty, before each number
    parts[1::2] = [_number(str(part)) for part in parts[1::2]]
    return parts, name


def _number(digits: str) -> tuple[int, str]:
    """How long a number is without zeros in front, and its digits; it may have more of them than `int` takes."""
    if not digits.isascii():
        digits = "".join(str(unicodedata.decimal(digit)) for digit in digits)
    plain = digits.lstrip("0")
    return len(plain), plain


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden, or left there by a system or a program."""
    folded = name.lower()
    return folded[0] == "." or folded in CLUTTER or folded.endswith(CLUTTER_SUFFIX)


def split_named(name: str, table: object, line: int) -> str:
    """`validation` → `val`; "" stays.

    Args:
        line: of the table, where the name is.
    """
    split = split_in_table(name)
    if name and not split:
        raise UserError(f"{table} line {line}", "has an unknown split", got=name, fix="Use train, val or test.")
    return split


@lru_cache(maxsize=1024)  # a table has the same few in every row
def split_of(name: str) -> str:
    """The split that a name says, also in other words: `Testing`, `seg_test` and `test_set` → `test`; else ""."""
    words = [word for word in _words(name) if word not in FILLERS]
    return WORDS.get(words[0], "") if len(words) == 1 else ""


def split_in_table(name: str) -> str:
    """The split that a cell of a table says; there `PublicTest` and `PrivateTest`, of a contest, are test as well."""
    return split_of(name) or split_of(CONTEST.sub("", name))


def says_split(name: str) -> bool:
    """Whether a word for a split is among those of a name: is_valid, in_test_set."""
    return any(word in WORDS for word in _words(name))


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """The names that say a split, of those that lie side by side, and which.

    Where all of them differ only in the word for a split, as `birds_train` and `birds_test` do, they say it as well.
    """
    there = list(names)
    found = {name: split for name in there if (split := split_of(name))}
    if found or len(there) < 2:
        return found
    parted = [_parted(name) for name in there]
    splits, rests = {split for split, _ in parted}, {rest for _, rest in parted}
    alike = "" not in splits and "train" in splits and len(splits) == len(there) and len(rests) == 1
    return {name: split for name, (split, _) in zip(there, parted, strict=True)} if alike else {}


def split_in_words(name: str) -> str:
    """The split that one word of a name says, whatever the others are: `train-00000-of-00002`, `birds_val_3`; else ""."""
    return _parted(name)[0]


def is_unlabelled(name: str) -> bool:
    """Whether a name says that images have no class: `pred`, `seg_pred` and `unlabeled_images`."""
    words = [word for word in _words(name) if word not in FILLERS]
    return len(words) == 1 and words[0] in UNLABELLED


def is_plain_split(name: str) -> bool:
    """Whether a name that says a split can hardly be a class's: `test` and `testing_set`, but not `valid` or `training`."""
    words = _words(name)
    return bool(split_of(name)) and (len(words) > 1 or words[0] in PLAIN)


def _parted(name: str) -> tuple[str, tuple[str, ...]]:
    """`birds_train_2` → (train, (birds, 2)); no split where none or several of its words say one."""
    words = _words(name)
    said = [word for word in words if word in WORDS]
    rest = tuple(word for word in words if word not in WORDS)
    return (WORDS[said[0]] if len(said) == 1 else ""), rest


def _words(name: str) -> list[str]:
    """`Test-Images`, `TestImages` and `testimages` → [test, images]; accents are left out."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    apart = RUN_TOGETHER.sub(r"\1 \2", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain).lower())
    return re.findall(r"[^\W\d_]+|\d+", apart)


def alike(name: str) -> str:
    """What names have in common that look the same: without case, quotes around, spaces at the ends, and signs not seen."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf").strip()
    bare = seen[1:-1] if len(seen) > 2 and seen[0] in QUOTES and seen[-1] in QUOTES else seen
    folded = unicodedata.normalize("NFKC", bare.casefold())
    return " ".join(re.sub(r"(?<=[^\W_])[\s_\-\u2010-\u2015]+(?=[^\W_])", " ", folded).split())


def written_apart(names: Iterable[str]) -> list[str]:
    """Names that look the same, written so that one sees what differs: in quotes, with codes of letters where need be."""
    there = list(names)
    looks = {unicodedata.normalize("NFC", re.sub("[\u200c\u200d]", "", printable(name))) for name in there}
    if len(looks) < len(there):
        there = [name.encode("ascii", "backslashreplace").decode() for name in there]
    return [quoted(name, always=True) for name in there]
