"""Tokens for Amazon MSK with IAM. Needs the extra `msk` (Amazon's own signer).

Credentials come from where every AWS tool takes them: environment, profile, instance or pod role. A token is a signed
address that is valid for fifteen minutes; signing one reaches no network, but a role's credentials may have to be
fetched first. The client asks for the next one by itself, in good time.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.errors import SettingsError


def tokens_for(region: str) -> Callable[[str], tuple[str, float]]:
    """For `oauth_cb`: the token and when it ends, in seconds since 1970.

    What it raises is the client's to tell and to try again: it is trouble with Kafka, like a broker that is away.
    """
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    except ImportError as error:
        lacks = "found no aws_msk_iam_sasl_signer, expected it installed: pip install 'airship-connector[msk]'"
        raise SettingsError([f"kafka.msk_iam_region: {lacks}"]) from error

    def token(_configuration: str) -> tuple[str, float]:
        signed, ends_ms = MSKAuthTokenProvider.generate_auth_token(region)
        return signed, ends_ms / 1000

    return token
