"""The trail: one hash chain of everything that happened, extended only together with it.

docs/PROTOCOL.md section 5 is the norm. Bodies are stored as they were hashed and never
serialised again in order to verify; what is private in an entry lies beside the chain, which
holds a salted hash of it, so that a person can be erased and the chain stays whole.
"""

from app.domain.audit.append import record
from app.domain.audit.chain import Anchor, ChainReport, genesis, link, verify_chain
from app.domain.audit.integrity import private_hash
from app.domain.audit.refusals import record_refusal
from app.domain.audit.search import Filter, find

__all__ = [
    "Anchor",
    "ChainReport",
    "Filter",
    "find",
    "genesis",
    "link",
    "private_hash",
    "record",
    "record_refusal",
    "verify_chain",
]
