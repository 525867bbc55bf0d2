"""What a file is by its first bytes, told once for all that read files: images, weights."""

import re

# mif1 and msf1 say that there is an image; among the brands behind them is the one that says how it is stored
AVIF = rb".{4}ftyp(avi[fs]|(mif1|msf1|miaf).{4}(.{4}){0,8}?avi[fs])"
HEIC = rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)"
JPEG_2000 = rb"\0\0\0\x0cjP|\xff\x4f\xff\x51"
SIGNATURES = (  # what a file begins with, what it is
    (AVIF, "AVIF"),
    (HEIC, "HEIC"),
    (rb".{4}ftypcrx ", "camera RAW"),
    (rb".{4}(ftyp|moov|mdat|wide)", "a video"),
    (JPEG_2000, "JPEG 2000"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"8BPS", "Photoshop"),
    (rb"\0\0[\x01\x02]\0[^\0]", "an icon"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript"),
    (rb"%PDF", "a PDF"),
    (rb"PK[\x03\x05\x07]", "a ZIP archive"),
    (rb"\x1f\x8b", "an archive (gzip)"),
    (rb"BZh", "an archive (bzip2)"),
    (rb"\xfd7zXZ", "an archive (xz)"),
    (rb"\x28\xb5\x2f\xfd", "an archive (Zstandard)"),
    (rb"7z\xbc\xaf", "an archive (7-Zip)"),
    (rb"Rar!", "an archive (RAR)"),
    (rb"RIFF.{4}(AVI |WAVE)", "a video or a sound"),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"\x89HDF", "an HDF5 file"),
    (rb"GGUF", "a GGUF file of a language model"),
    (rb"\0\x05\x16[\0\x07]", "macOS metadata"),
    (rb"version https://git-lfs", "a Git LFS pointer"),
    (rb"\.?[./]*(\.git/annex|annex)/objects", "a git-annex pointer"),
)


def by_first_bytes(start: bytes) -> str | None:
    """What a file is that is neither an image that is read nor weights; None where its first bytes do not tell."""
    return next((kind for pattern, kind in SIGNATURES if re.match(pattern, start, re.DOTALL)), None)
