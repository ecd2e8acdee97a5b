"""The server's own secrets."""

import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from api.keyring import SECRET_BYTES, SECRET_FILE, Keyring, KeyringError, make_private


def test_the_first_opening_makes_a_secret_that_stays(tmp_path: Path) -> None:
    first = Keyring.open(tmp_path)
    assert len(first.root) == SECRET_BYTES
    assert Keyring.open(tmp_path) == first
    assert stat.S_IMODE((tmp_path / SECRET_FILE).stat().st_mode) == 0o600
    assert first.root.hex() not in repr(first)


def test_two_directories_have_two_secrets(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert Keyring.open(tmp_path / "a") != Keyring.open(tmp_path / "b")


def test_purposes_do_not_share_keys() -> None:
    keyring = Keyring(bytes(32))
    assert keyring.derive("one") != keyring.derive("two")
    assert len(keyring.derive("one")) == SECRET_BYTES
    assert keyring.mac("one", "key") != keyring.mac("two", "key")
    assert keyring.mac("one", "key") == Keyring(bytes(32)).mac("one", "key")


def test_what_is_sealed_opens_only_for_its_purpose() -> None:
    keyring = Keyring(bytes(32))
    sealed = keyring.seal("one", b"clear")
    assert b"clear" not in sealed
    assert keyring.unseal("one", sealed) == b"clear"
    with pytest.raises(InvalidTag):
        keyring.unseal("two", sealed)


@pytest.mark.parametrize("text", ["", "abcd\n", "not hex" * 20])
def test_a_damaged_secret_is_an_error_not_a_new_one(tmp_path: Path, text: str) -> None:
    (tmp_path / SECRET_FILE).write_text(text, encoding="ascii")
    with pytest.raises(KeyringError):
        Keyring.open(tmp_path)
    assert (tmp_path / SECRET_FILE).read_text(encoding="ascii") == text


def test_a_private_file_is_never_replaced(tmp_path: Path) -> None:
    assert make_private(tmp_path / "x", b"first")
    assert not make_private(tmp_path / "x", b"second")
    assert (tmp_path / "x").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
