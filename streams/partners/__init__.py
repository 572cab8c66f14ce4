"""The partners file (contract, section 5): read, checked as a whole, and read again when it changes on disk."""

from streams.partners.load import Partners, PartnersFileError, load_partners
from streams.partners.partner import Partner, SigningKey
from streams.partners.reload import PartnersFile, Rejected, Reloaded, Unchanged
from streams.partners.tls import public_tls

__all__ = [
    "Partner",
    "Partners",
    "PartnersFile",
    "PartnersFileError",
    "Rejected",
    "Reloaded",
    "SigningKey",
    "Unchanged",
    "load_partners",
    "public_tls",
]
