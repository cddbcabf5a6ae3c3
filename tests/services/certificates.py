"""An authority and certificates of it, made on the spot with OpenSSL's command line, valid for a day."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

KEY_PASSWORD = "key-secret-1"


class OpenSSLMissingError(Exception):
    """There is no `openssl` here; the message says how to get it."""


@dataclass(frozen=True)
class Certificates:
    """PEM files. `server` names 127.0.0.1 alone and holds its key; `stranger` is another authority."""

    ca: Path
    server: Path
    client: Path
    client_key: Path
    stranger: Path


def make(directory: Path) -> Certificates:
    """All of them, in the directory. Raises `OpenSSLMissingError`."""
    if shutil.which("openssl") is None:
        raise OpenSSLMissingError("certificates are made with OpenSSL: install openssl")
    _authority(directory, "ca")
    _authority(directory, "stranger")
    _signed(directory, "server", "subjectAltName=IP:127.0.0.1", cipher=())
    # Kafka wants keys in PKCS 8, which is what `openssl genpkey` writes.
    pem = (directory / "server.key").read_text() + (directory / "server.crt").read_text()
    (directory / "server.pem").write_text(pem + (directory / "ca.crt").read_text())
    _signed(directory, "client", "extendedKeyUsage=clientAuth", cipher=("-aes256", "-pass", f"pass:{KEY_PASSWORD}"))
    return Certificates(
        directory / "ca.crt",
        directory / "server.pem",
        directory / "client.crt",
        directory / "client.key",
        directory / "stranger.crt",
    )


def _authority(directory: Path, name: str) -> None:
    _openssl(
        directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt",
        "-days", "1", "-subj", f"/CN={name}",
    )  # fmt: skip


def _signed(directory: Path, name: str, extension: str, *, cipher: tuple[str, ...]) -> None:
    (directory / f"{name}.ext").write_text(f"{extension}\n")
    _openssl(directory, "genpkey", "-algorithm", "RSA", *cipher, "-out", f"{name}.key")
    opened = ("-passin", f"pass:{KEY_PASSWORD}") if cipher else ()
    _openssl(directory, "req", "-new", "-key", f"{name}.key", *opened, "-out", f"{name}.csr", "-subj", f"/CN={name}")
    _openssl(
        directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", f"{name}.crt", "-days", "1", "-extfile", f"{name}.ext",
    )  # fmt: skip


def _openssl(directory: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}:\n{done.stderr}")
