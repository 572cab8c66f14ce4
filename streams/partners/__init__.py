"""The partners file (contract, section 5): read, checked as a whole, and read again when it changes on disk."""

from streams.partners.certificates import Certificates, certificates_in
from streams.partners.load import Partners, PartnersFileError, load_partners
from streams.partners.partner import Partner, SigningKey
from streams.partners.reload import PartnersFile, Rejected, Reloaded, Unchanged
from streams.partners.route import Proxy
from streams.partners.tls import public_tls, use_chain_rules

__all__ = [
    "Certificates",
    "Partner",
    "Partners",
    "PartnersFile",
    "PartnersFileError",
    "Proxy",
    "Rejected",
    "Reloaded",
    "SigningKey",
    "Unchanged",
    "certificates_in",
    "load_partners",
    "public_tls",
    "use_chain_rules",
]
