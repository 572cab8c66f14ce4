"""The exact request as a command of a shell."""

from streams.webhook.exact_request import ExactRequest


def test_curl_is_told_whose_certificates_to_trust():
    """Where the entry names authorities of its own curl would refuse the call; elsewhere it has the public ones."""
    headers = (("Host", "x.example"), ("Client-Id", "C"), ("Content-Length", "2"))
    own = ExactRequest("https://x.example/n?a=1", headers, b"{}", b"", "/keys/their ca.pem")
    assert own.curl().split(" \\\n  ") == [
        "curl -i --path-as-is 'https://x.example/n?a=1'",
        "--cacert '/keys/their ca.pem'",
        "-H 'Client-Id: C'",
        "--data-binary '{}'",
    ]
    public = ExactRequest("https://x.example/n", headers, b"{}", b"")
    assert "--cacert" not in public.curl()
