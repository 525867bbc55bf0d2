"""Decoding by processes: one that dies is told, and so is what it was at."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ajuste_fino.data import decoding
from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.decoding import decode_all, decode_infos
from ajuste_fino.data.hashing import hash_files
from ajuste_fino.data.info import ImageInfo, ImageInfoCache, difference_hash
from ajuste_fino.data.loading import LoaderConfig
from ajuste_fino.data.near import close_pairs, hash_rows, hash_similarity
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.scan import scan
from ajuste_fino.data.transforms import Preprocessing
from ajuste_fino.errors import AjusteFinoError
from ajuste_fino.predict import no_progress
from tests.conftest import draw_folder, shapes


def test_processes_look_as_one_does(tmp_path):
    samples, _ = hash_files(scan(draw_folder(tmp_path, each=30)).samples, 2, no_progress)
    many = list(decode_infos(samples, 2, no_progress))
    assert many == list(decode_infos(samples, 0, no_progress))
    assert all(isinstance(info, ImageInfo) for decoded in many for info in decoded.infos.values())
    assert len(many) == len(samples)


def test_a_process_that_died_before_more_was_handed_out_is_told_with_the_files_it_had(monkeypatch):
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    def submit(self, _function, chunk, _depth, begun=[]):  # noqa: B006  # counts the calls
        begun.append(chunk)
        if len(begun) > 1:
            raise BrokenProcessPool
        lost = Future()
        lost.set_exception(BrokenProcessPool())
        return lost

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
    samples = [Sample(ImageFile(Path(f"{n}.png")), f"{n}.png", "a", sha256=str(n)) for n in range(100)]
    with pytest.raises(AjusteFinoError, match=r"one of these files:\n  0.png"):
        list(decode_infos(samples, 2, no_progress))


def test_a_process_that_dies_is_told_with_the_files_it_had(tmp_path, monkeypatch):
    samples, _ = hash_files(scan(draw_folder(tmp_path, each=30)).samples, 0, no_progress)
    real, fatal = decoding.decode, samples[40].file
    monkeypatch.setattr(decoding, "decode", lambda sample, depth: os._exit(1) if sample.file == fatal else real(sample))
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


def test_what_was_known_of_an_image_stays_when_it_is_decoded_again(photos, own_cache):
    """The hash depends a little on the size of decoding; what is a near copy must not depend on who looked last."""
    samples, _ = hash_files(scan(photos).samples, 0, no_progress)
    infos = {content: info for one in decode_infos(samples, 0, no_progress) for content, info in one.infos.items()}
    known = {content: replace(info, hash="0" * 64) for content, info in infos.items()}
    with ImageInfoCache() as cache:
        cache.update(known)
    config = (Preprocessing(16, 16, (0.5,) * 3, (0.5,) * 3), LoaderConfig(torch.device("cpu"), 8, 0, no_progress))
    stream = decode_all(samples, 0, no_progress, True, config, set(known))
    assert {content: info for one in stream for content, info in one.infos.items()} == known
