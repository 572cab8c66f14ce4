"""TLS settings towards partners: 1.2 or newer, the partner's CA or the public ones, our certificate if asked for.

Which chains of certificates pass is the same on every Python (docs/decisions/0017-chain-rules.md).
"""

import ssl
from functools import cache

import certifi

from streams.partners.certificates import Kind, der_of
from streams.partners.files import Files, shown


@cache
def public_tls() -> ssl.SSLContext:
    """Return the settings that all partners without their own share."""
    return _context(None)


def partner_tls(  # noqa: PLR0913  # the members of an entry
    files: Files,
    ca_file: str | None,
    certificate_file: str | None,
    key_file: str | None,
    ca_kind: Kind = "ca",
    *,
    strict: bool = True,
) -> ssl.SSLContext:
    """Return a partner's own settings.

    Args:
        files: reads the files.
        ca_file: CAs that its certificate may come from, PEM; the public ones when None.
        certificate_file: our client certificate, PEM; None for none.
        key_file: its private key.
        ca_kind: whose CAs they are.
        strict: whether certificates must be as RFC 5280 wants them.

    Raises:
        ValueError: a file can't be used, or certificate and key don't belong together.
    """
    try:
        context = _context(
            None if ca_file is None else der_of(files.note_certificates(ca_kind, ca_file)),
            strict=strict,
        )
    except ssl.SSLError:
        message = f"ca_file: seen {shown(ca_file)}, expected CA certificates in PEM"
        raise ValueError(message) from None
    if ca_file is not None and strict:
        files.note_not_strict(ca_kind, ca_file)
    if certificate_file is not None and key_file is not None:
        files.note_certificates("client", certificate_file)
        files.secret(key_file)
        # Or servers that ask for it by path, after the handshake, are not told that we have one (RFC 8446, section 4.2.6).
        context.post_handshake_auth = True
        try:
            # A passphrase is never asked for on a terminal.
            context.load_cert_chain(files.path(certificate_file), files.path(key_file), lambda: b"")
        except (ssl.SSLError, ValueError):
            message = (
                f"seen {shown(certificate_file)} and {shown(key_file)}, expected a certificate in PEM"
                " and its own private key without a passphrase"
            )
            raise ValueError(message) from None
        except OSError as exc:  # they were there a moment ago
            message = (
                f"seen {shown(certificate_file)} and {shown(key_file)}, expected files that can be read"
                f" ({exc.strerror})"
            )
            raise ValueError(message) from exc
    return context


def use_chain_rules(context: ssl.SSLContext, *, strict: bool) -> None:
    """Make a context accept the same chains on every Python; the default differs from 3.13 on.

    Args:
        context: to change.
        strict: whether certificates must be as RFC 5280 wants them.
    """
    # Any certificate that we were told to trust ends a chain, also one of an authority below the root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    else:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT


def _context(ca_der: bytes | None, *, strict: bool = True) -> ssl.SSLContext:
    # With CAs of its own the context trusts nothing else.
    context = ssl.create_default_context(
        cafile=certifi.where() if ca_der is None else None, cadata=ca_der
    )
    use_chain_rules(context, strict=strict)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # RFC 9525: the names stand in the extension
    context.set_alpn_protocols(["http/1.1"])
    return context
