"""Access rules at a broker: granted and taken away, as an administrator does with `kafka-acls`."""

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from streams.kafka.admin.rights import Right

_KINDS = {"topic": 2, "group": 3, "cluster": 4}
_OPERATIONS = {"READ": 3, "WRITE": 4, "CREATE": 5, "DESCRIBE": 8, "DESCRIBE_CONFIGS": 10}
_LITERAL, _ALLOW = 3, 3


def _rule(user: str, right: Right):
    kind, operation = _KINDS[right.kind], _OPERATIONS[right.operation]
    return kind, right.name, _LITERAL, f"User:{user}", "*", operation, _ALLOW


async def grant(admin: AIOKafkaAdminClient, user: str, rights: Iterable[Right]) -> None:
    """Allow a user all of these."""
    for right in rights:
        answer = await admin._send_to_controller(CreateAclsRequest(*_rule(user, right)))
        assert [code for code, _ in answer.creation_responses] == [0], answer


async def revoke(admin: AIOKafkaAdminClient, user: str, rights: Iterable[Right]) -> None:
    """Take all of these rights from a user; each must have been there."""
    for right in rights:
        answer = await admin._send_to_controller(DeleteAclsRequest(*_rule(user, right)))
        ((code, _, matching),) = answer.filter_responses
        assert (code, len(matching)) == (0, 1), answer
