"""`runtime.kafka.security`: what belongs together, and the files of certificates.

A path is read from the folder of the configuration, like a secret's file. Files are looked at, not understood; what is
in them is seen when the brokers are asked (`monitor.runtime.kafka.broker.security`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping as Environment
from pathlib import Path

from monitor.config.document import Document, Mapping
from monitor.config.meaning import Checked
from schemas.config import Security
from schemas.settings.kafka import SECURITY_FILES

_PATH = ("runtime", "kafka", "security")
_CREDENTIALS = ("mechanism", "username", "password", "password_file")
_TLS = (*SECURITY_FILES, "key_password", "key_password_file", "check_hostname")


def locate_files(document: Document, environ: Environment[str, str] | None, *, as_warnings: bool = False) -> None:
    """Put whole paths into the document. With `environ` a file that cannot be read is a problem, as a secret's is."""
    place = document.root
    for key in _PATH:
        inner = place.get(key)
        if not isinstance(inner, Mapping):
            return
        place = inner
    for key in SECURITY_FILES:
        written = place.get(key)
        if not isinstance(written, str):
            continue
        place[key] = str(Path(document.file).parent / written)
        if environ is None:
            continue
        try:
            with Path(place[key]).open("rb"):
                pass
        except OSError as error:
            what = f"cannot read the file: {error.strerror}"
            document.report(place.values_at[key], (*place.path, key), what, found=written, warning=as_warnings)


def check_security(checked: Checked) -> None:
    """Security: what the protocol needs is there, and nothing stands there that it does not use."""
    security, place = checked.config.runtime.kafka.security, checked.section(*_PATH)
    given = place.keys_at.keys()
    if security.authenticated:
        _check_credentials(checked, place, security)
    else:
        _unused(checked, place, _CREDENTIALS, security, "shows no password; SASL_SSL does")
    if not security.encrypted:
        _unused(checked, place, _TLS, security, "is in the open; SSL and SASL_SSL are not")
    elif "certificate_file" not in given:
        for key in ("key_file", "key_password", "key_password_file"):
            if key in given:
                checked.document.report(
                    place.keys_at[key], (*place.path, key), "a key without its `certificate_file` opens nothing"
                )


def _check_credentials(checked: Checked, place: Mapping, security: Security) -> None:
    given = place.keys_at.keys()
    missing = [key for key in ("mechanism", "username", "password") if key not in given]
    if "password_file" in given and "password" in missing:
        missing.remove("password")
    if missing:
        names = " and ".join(f"`{key}`" for key in missing)
        checked.at(place, "protocol", f"{security.protocol} needs {names} beside it", found=security.protocol)
    for key in ("username", "password"):
        value = getattr(security, key)
        if value is not None and key in place and not (value if key == "username" else value.get_secret_value()):
            checked.at(place, key, f"an empty {key} is none")
    open_password = security.mechanism == "PLAIN" and not security.encrypted
    if open_password and not _on_this_machine(checked.config.runtime.kafka.bootstrap_servers):
        checked.at(
            place, "mechanism", "PLAIN without TLS shows the password to everyone on the way", found="PLAIN",
            suggestion="SCRAM-SHA-512", warning=True,
        )  # fmt: skip


def _unused(checked: Checked, place: Mapping, keys: tuple[str, ...], security: Security, why: str) -> None:
    for key in keys:
        if key in place.keys_at:
            what = f"`{key}` has no effect: the protocol {security.protocol} {why}"
            checked.document.report(place.keys_at[key], (*place.path, key), what)


def _on_this_machine(bootstrap_servers: str) -> bool:
    hosts = [address.strip().rpartition(":")[0].strip("[]") for address in bootstrap_servers.split(",")]
    return all(host == "localhost" or _is_loopback(host) for host in hosts)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
