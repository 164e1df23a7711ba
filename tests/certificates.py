"""Certificates for servers of tests: of an authority that a test trusts, or of themselves, and valid for any time."""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Authority"]


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass
class Authority:
    """An authority whose certificate is in `folder`, as `authority.pem`."""

    folder: Path
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        certificate = self._signed(_named("authority"), self._key, timedelta(days=1), is_authority=True)
        self.file.write_bytes(certificate)

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def server(
        self, *, host: str = "localhost", valid_for: timedelta = timedelta(days=90), self_signed: bool = False
    ) -> ssl.SSLContext:
        """Return the context of a server with a certificate for a host, which ends that long from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._signed(_named(host), key, valid_for, host=host, self_signed=self_signed)
        encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
        pair = self.folder / f"{host}-{valid_for.days}-{self_signed}.pem"
        pair.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password) + signed)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        return context

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        valid_for: timedelta,
        *,
        host: str = "",
        is_authority: bool = False,
        self_signed: bool = False,
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed or is_authority else _named("authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + valid_for)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        signed = builder.sign(key if self_signed else self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)
