"""The server's own secrets: 32 random bytes in `DIR/secret` (mode 0600), one derived key for each purpose.

The first start (of the server or of a command) makes the file; whoever comes second finds it, also when two start at
once. Losing it makes every bearer key, device token and room token void, so a backup of the database needs it too.
Random keys are kept as HMAC-SHA-256, since 256 random bits need no slow hash; people's passwords go to `passwords.py`.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

import attrs
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_FILE = "secret"
SECRET_BYTES = 32
NONCE_BYTES = 12


class KeyringError(Exception):
    """The secret file cannot be used."""


def make_private(path: Path, data: bytes) -> bool:
    """Write `data` to a new file of mode 0600, whole or not at all; False if there was one already."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # fails where rename would replace: the one who comes second reads the first one's file
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True


@attrs.frozen
class Keyring:
    """Keys derived (RFC 5869) from the root secret; two purposes never share one."""

    root: bytes = attrs.field(repr=False)

    @classmethod
    def open(cls, directory: Path) -> "Keyring":
        path = directory / SECRET_FILE
        if not path.exists():
            make_private(path, secrets.token_bytes(SECRET_BYTES).hex().encode() + b"\n")
        try:
            root = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise KeyringError(f"{path} cannot be read: {error}") from None
        if len(root) < SECRET_BYTES:
            raise KeyringError(f"{path} holds fewer than {SECRET_BYTES} bytes")
        return cls(root)

    def derive(self, purpose: str) -> bytes:
        return HKDF(hashes.SHA256(), SECRET_BYTES, salt=None, info=f"atrium {purpose}".encode()).derive(self.root)

    def mac(self, purpose: str, key: str) -> bytes:
        """What the store keeps of a random key. Looking one up by its MAC leaks no timing of use to a guesser."""
        return hmac.digest(self.derive(purpose), key.encode(), hashlib.sha256)

    def seal(self, purpose: str, clear: bytes) -> bytes:
        """Encrypt what must be readable again (AES-256-GCM, a random nonce before the ciphertext)."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.derive(purpose)).encrypt(nonce, clear, purpose.encode())

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        return AESGCM(self.derive(purpose)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
