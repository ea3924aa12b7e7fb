"""What is wrong with a server's certificate, as opposed to a connection that just fails.

No later attempt can help, so it is reported at once. The numbers are OpenSSL's, of
X509_STORE_CTX_get_error (documentation of OpenSSL 3.0).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

EXPIRED = 10
NOT_YET_VALID = 9
OTHER_HOST = frozenset({62, 64})
"""Another host name, another IP address."""
HINT = "Check the URL, this machine's clock and its certificates, and proxies on the way."


def certificate_fault(error: BaseException) -> str | None:
    """What is wrong with a certificate, as "has expired"; None for an error of another kind."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            if cause.verify_code == EXPIRED:
                return "has expired"
            if cause.verify_code == NOT_YET_VALID:
                return "is not valid yet"
            return "is of another host" if cause.verify_code in OTHER_HOST else "is not trusted"
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those inside it: requests and urllib3 wrap the one of the connection."""
    seen: set[int] = set()
    left: list[object] = [error]
    while left:
        cause = left.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        left += [cause.__context__, cause.__cause__, getattr(cause, "reason", None), *cause.args]
