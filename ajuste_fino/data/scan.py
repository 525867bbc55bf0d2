"""Which images a folder or a CSV holds, under which label and in which split; nothing is opened here."""

from ajuste_fino.data.folder import scan_folder
from ajuste_fino.data.kinds import SUFFIXES, unread_files
from ajuste_fino.data.scan_result import ScanResult
from ajuste_fino.data.sources.kinds import kind_of_file, refuse_archive
from ajuste_fino.data.sources.source import Root, Source
from ajuste_fino.data.table import scan_table
from ajuste_fino.errors import UserError


def scan(root: Root) -> ScanResult:
    """`root/class/*`, with splits around or inside the classes or with none, a CSV of file,label[,split], or another source.

    Raises:
        UserError: where the layout is none of these, or a CSV names a file that is missing or gives an image two labels.
    """
    if isinstance(root, Source):
        found = root.scan()
    elif root.is_file():
        refuse_archive(root)
        found = scan_table(root)
    else:
        found = scan_folder(root)
    if not found.samples:
        raise UserError("data.root", "must hold images as root/class/image", got=root, fix=_what_is_there(root, found))
    return found


def _what_is_there(root: Root, found: ScanResult) -> str:
    others = [*found.stray, *(other.file for other in found.non_images)]
    if archive := next((name for name in others if kind_of_file(name)), ""):
        return f"It holds files such as {archive}: pass data={kind_of_file(archive)}."
    if found.classes:
        unread = unread_files(other.file for other in found.non_images)
        there = f"They hold {unread}." if unread else ""
        return f"Its {len(found.classes)} folders hold no file that ends in {', '.join(SUFFIXES)}. {there}".rstrip()
    if found.results:
        return f"It holds nothing but folders that this program wrote, such as {found.results[0]}."
    return "It holds no folders: make one for each class, at least two, and put its images into it."
