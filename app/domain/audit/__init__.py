"""The audit log: a hash chain of all events, extended in the transaction of each.

docs/PROTOCOL.md section 5 is the norm. Bodies are stored as they were hashed, and verified without
serializing them again. The private details of an entry are stored outside of the chain, which holds
a salted hash of them. So a person can be erased and the chain stays intact.
"""

from app.domain.audit.append import record
from app.domain.audit.chain import Anchor, ChainReport, verify_chain
from app.domain.audit.documents import entry_document
from app.domain.audit.entry_format import genesis_hash, link_hash, private_details_hash
from app.domain.audit.refusals import record_refusal
from app.domain.audit.search import EntryFilter, find_entries

__all__ = [
    "Anchor",
    "ChainReport",
    "EntryFilter",
    "entry_document",
    "find_entries",
    "genesis_hash",
    "link_hash",
    "private_details_hash",
    "record",
    "record_refusal",
    "verify_chain",
]
