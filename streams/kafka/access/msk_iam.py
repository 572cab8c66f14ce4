"""Tokens for Amazon MSK with IAM: a request that AWS's own library signs, sent as an OAUTHBEARER token.

The library comes with the extra `msk-iam`; where the credentials come from is its business (environment, profile, web
identity of a Kubernetes service account, instance).
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from streams.clock import Clock
from streams.kafka.access.tokens import Token, TokenError

_PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class MskIam:
    """Signs tokens for a cluster.

    Attributes:
        region: the AWS region of the cluster.
    """

    region: str

    async def fetch(self) -> Token:
        """Sign a token, in a thread: looking for credentials may ask the network.

        Raises:
            TokenError: there are no credentials.
        """
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await asyncio.to_thread(self._sign)
        except TimeoutError as error:
            message = f"AWS_MSK_IAM: no AWS credentials within {_PATIENCE_SECONDS:g} s; expected what AWS's default chain finds"
            raise TokenError(message) from error

    def _sign(self) -> Token:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # noqa: PLC0415  # comes with an extra

        try:
            text, ends_at_ms = MSKAuthTokenProvider.generate_auth_token(self.region)
        except (
            Exception
        ) as error:  # botocore's errors have no base of their own, and None has no `access_key`
            # Their words name settings and addresses, never a secret.
            why = "none were found" if isinstance(error, AttributeError) else str(error)
            message = (
                f"AWS_MSK_IAM: no AWS credentials: {why}; expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
                " AWS_WEB_IDENTITY_TOKEN_FILE, or another source of AWS's default chain"
            )
            raise TokenError(message) from error
        return Token(text, ends_at_ms / 1000 - Clock().now_seconds())
