"""Where files are written: refused by name before any work, and never half of one."""

import os

import pytest

import skae
from skae._files import target, write_atomically


def test_the_home_folder_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    skae.save(skae.Autoencoder(3), "~/file")
    assert (tmp_path / "file").is_file()
    assert skae.load("~/file").n_components == 3


def test_a_folder_that_does_not_exist_is_named_and_not_a_hidden_file(tmp_path):
    path = tmp_path / "none" / "file"
    with pytest.raises(FileNotFoundError, match=r"folder does not exist: '.*/none/file'"):
        skae.save(skae.Autoencoder(), path)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="expected a file"):
        skae.save(skae.Autoencoder(), tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_is_read_only_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="may not be written to"):
        skae.save(skae.Autoencoder(), tmp_path / "file")


@pytest.mark.parametrize("path", [3, None, b"file"])
def test_what_is_no_path_is_a_type_error(path):
    with pytest.raises(TypeError):
        skae.save(skae.Autoencoder(), path)


def test_a_target_is_where_a_link_points(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert target(tmp_path / "link") == (tmp_path / "file").resolve()


def test_a_failed_write_leaves_neither_a_file_nor_a_part_of_one(tmp_path):
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "file", "text")
    assert not list(tmp_path.iterdir())
