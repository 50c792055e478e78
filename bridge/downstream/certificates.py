"""TLS toward clients: a context for each certificate, chosen by the name a client asks for (SNI)."""

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography import x509

from bridge.downstream.settings import Certificate
from bridge.errors import ConfigError

PROTOCOLS: Final = ("h2", "http/1.1")
"""What we offer by ALPN, preferred first."""


def server_context(certificates: Sequence[Certificate]) -> ssl.SSLContext:
    """Return the context to listen with; the first certificate answers names that none has.

    Raises:
        ConfigError: there is none, or one cannot be read or does not fit its key.
    """
    if not certificates:
        raise ConfigError("listen.certificates: listen.tls_bind needs at least one certificate with its private key")
    by_name: dict[str, ssl.SSLContext] = {}
    contexts = []
    for index, certificate in enumerate(certificates):
        context = _context(certificate, f"listen.certificates[{index}]")
        contexts.append(context)
        for name in _names(certificate.certificate):
            by_name.setdefault(name, context)

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        found = context_for(name, by_name)
        if found is not None:
            connection.context = found

    contexts[0].sni_callback = choose
    return contexts[0]


def context_for(name: str | None, by_name: Mapping[str, ssl.SSLContext]) -> ssl.SSLContext | None:
    """Return the context for a name: its own, else its parent's wildcard, else None."""
    if name is None:
        return None
    asked = name.lower()
    return by_name.get(asked) or by_name.get("*." + asked.partition(".")[2])


def _context(certificate: Certificate, key: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9113 §9.2 asks for it; older ones are broken
    context.set_alpn_protocols(list(PROTOCOLS))
    for path in (certificate.certificate, certificate.private_key):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"{key}: cannot read {path}: {error.strerror}") from error
    try:
        context.load_cert_chain(certificate.certificate, certificate.private_key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ConfigError(
            f"{key}: {certificate.certificate} and {certificate.private_key} are no PEM certificate with its key: {reason}"
        ) from error
    return context


def _no_password() -> str:
    """Refuse an encrypted key: OpenSSL would ask on the terminal."""
    raise ValueError("the private key is encrypted; decrypt it first")


def _names(path: str) -> list[str]:
    """Return the names a certificate is for, lower case."""
    leaf = x509.load_pem_x509_certificates(Path(path).read_bytes())[0]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]
