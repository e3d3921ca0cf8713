"""TLS to the endpoint: 1.2 or newer, always verified, by the system's authorities or an own bundle."""

from __future__ import annotations

import os
import ssl

import certifi

from connector.errors import SettingsError


def client_context(ca_file: str | None) -> ssl.SSLContext:
    """Raises SettingsError if the bundle cannot be used.

    The default context verifies the chain and the host name; there is no way to turn that off.
    """
    if ca_file is None:
        context = ssl.create_default_context(cafile=None if _system_has_authorities() else certifi.where())
    else:
        context = _context_of(ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _context_of(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise SettingsError([f"airship.ca_file: found no PEM certificates in {ca_file!r}, expected a bundle"]) from None
    except OSError as error:
        raise SettingsError([f"airship.ca_file: {ca_file!r} cannot be read: {error.strerror}"]) from None


def _system_has_authorities() -> bool:
    """A minimal image may have none; then every handshake would fail for a reason that no message names."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return True
    try:
        return bool(paths.capath and os.listdir(paths.capath))
    except OSError:
        return False
