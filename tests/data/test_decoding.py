"""Decoding by processes: one that dies is told, and so is what it was at."""

import os

import pytest

from ajuste_fino.data import decoding
from ajuste_fino.data.decoding import decode_infos
from ajuste_fino.data.hashing import hash_files
from ajuste_fino.data.info import ImageInfo, difference_hash
from ajuste_fino.data.near import close_pairs, hash_rows, hash_similarity
from ajuste_fino.data.scan import scan
from ajuste_fino.errors import AjusteFinoError
from ajuste_fino.predict import no_progress
from tests.conftest import draw_folder, shapes


def test_processes_look_as_one_does(tmp_path):
    samples, _ = hash_files(scan(draw_folder(tmp_path, each=30)).samples, 2, no_progress)
    many = list(decode_infos(samples, 2, no_progress))
    assert many == list(decode_infos(samples, 0, no_progress))
    assert all(isinstance(info, ImageInfo) for decoded in many for info in decoded.infos.values())
    assert len(many) == len(samples)


def test_a_process_that_dies_is_told_with_the_files_it_had(tmp_path, monkeypatch):
    samples, _ = hash_files(scan(draw_folder(tmp_path, each=30)).samples, 0, no_progress)
    real, fatal = decoding.decode, samples[40].file
    monkeypatch.setattr(decoding, "decode", lambda sample: os._exit(1) if sample.file == fatal else real(sample))
    with pytest.raises(AjusteFinoError, match=f"(?s)A decoding process died.*{fatal}"):
        list(decode_infos(samples, 2, no_progress))


def test_close_pairs_are_those_of_the_whole_matrix(monkeypatch):
    import numpy as np

    from ajuste_fino.data import near

    monkeypatch.setattr(near, "BLOCK", 7)
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(20, 5)), rng.normal(size=(30, 5))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (one, other)]
    whole = {(int(a), int(b)) for a, b in zip(*np.nonzero(unit[0] @ unit[1].T >= 0.5), strict=True)}
    found = close_pairs(one, other, 0.5)
    assert {pair[:2] for pair in found} == whole
    assert [pair[2] for pair in found] == sorted((pair[2] for pair in found), reverse=True)
    assert close_pairs(one[:0], other, 0.5) == close_pairs(one, other[:0], 0.5) == []


def test_a_hash_differs_by_as_many_bits_as_it_says():
    bits = difference_hash(shapes(0, 0))
    for flips in (0, 20, 21):
        other = f"{int(bits, 16) ^ ((1 << flips) - 1):064x}"
        assert bool(close_pairs(hash_rows([bits]), hash_rows([other]), hash_similarity(20))) == (flips <= 20)
