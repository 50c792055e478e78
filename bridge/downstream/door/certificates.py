"""TLS toward clients: a context for each certificate, chosen by the name a client asks for (SNI), replaceable while we listen."""

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509

from bridge.downstream.settings import Certificate
from bridge.errors import ConfigError

PROTOCOLS: Final = ("h2", "http/1.1")
"""What we offer by ALPN, preferred first."""


class Contexts(NamedTuple):
    """Certificates as they were read at one moment.

    Attributes:
        default: answers names that no certificate has, and clients that ask for none.
        by_name: the others, lower case; `*.` begins a wildcard.
    """

    default: ssl.SSLContext
    by_name: Mapping[str, ssl.SSLContext]


def read_certificates(certificates: Sequence[Certificate]) -> Contexts:
    """Read all certificates and their keys.

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
    return Contexts(contexts[0], by_name)


class Keyring:
    """The certificates in force. A handshake asks for them; those that are open keep what they were made with.

    Args:
        contexts: the first ones.

    Attributes:
        context: to listen with, for good.
    """

    def __init__(self, contexts: Contexts) -> None:
        self._contexts = contexts
        self.context = contexts.default
        self.context.sni_callback = self._choose

    def adopt(self, contexts: Contexts) -> None:
        """Use these from the next handshake on."""
        self._contexts = contexts

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Called at each handshake, whether the client asks for a name or not."""
        connection.context = context_for(name, self._contexts.by_name) or self._contexts.default


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
