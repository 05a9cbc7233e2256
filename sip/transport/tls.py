"""TLS for SIP (RFC 3261 §26.3, RFC 5922): one context for what we serve, one for where we connect.

Servers are verified: their certificate has to be valid for the name in the URI. Clients are not asked for one: phones
have none, and digest says who they are.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from sip.core.config import TlsConfig


def server_context(config: TlsConfig) -> ssl.SSLContext:
    """The context of a listener. Raises OSError that names the file when certificate or key cannot be used."""
    if config.certificate is None or config.key is None:
        raise OSError("a TLS listener needs sip.tls_cert and sip.tls_key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_certificate(context, config.certificate, config.key)
    return context


def client_context(config: TlsConfig) -> ssl.SSLContext:
    """The context of outgoing connections. Raises OSError that names the file when the authorities cannot be read."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.authorities is not None:
        try:
            context.load_verify_locations(config.authorities)
        except (ssl.SSLError, OSError) as error:
            raise OSError(f"sip.tls_ca {config.authorities}: {error}") from None
    if config.certificate is not None and config.key is not None:
        # shown to servers that ask for one: mutual TLS with a carrier
        _load_certificate(context, config.certificate, config.key)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise OSError(f"sip.tls_cert {certificate}, sip.tls_key {key}: {error}") from None
