"""The rendered NetworkPolicies, evaluated as a network plugin does, against a list of addresses."""

import ipaddress
import itertools

import pytest

from streams.webhook.addresses import _NOT_PUBLIC, EgressNetworks

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "47.88.1.1",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "198.17.255.255",
    "223.255.255.255",
    "2606:4700::1111",
    "2400:3200::1",
    "2a00:1450:4001::1",
)
FORBIDDEN = (
    "0.0.0.0",  # noqa: S104  # an address to refuse
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:a00:1::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
)


def policy(objects, component):
    """Return the spec of a component's policy."""
    (found,) = (
        item["spec"]
        for item in objects
        if item["kind"] == "NetworkPolicy"
        and item["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    )
    return found


def allows(spec, address, port, protocol="TCP"):
    """Tell whether a pod under this policy may connect to an address outside of the cluster."""
    ip = ipaddress.ip_address(address)
    for rule in spec["egress"]:
        ports = [(entry["protocol"], entry["port"]) for entry in rule["ports"]]
        blocks = [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]
        if (protocol, port) in ports and any(_within(ip, block) for block in blocks):
            return True
    return False


def _within(ip, block):
    networks = [block["cidr"], *block.get("except", [])]
    first, *rest = (ip in ipaddress.ip_network(network) for network in networks)
    return first and not any(rest)


@pytest.fixture(scope="module")
def workers(rendered):
    """The policies of both worker roles with the least of values."""
    return [policy(rendered("minimal"), role) for role in ("main", "retry")]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_can_be_called_on_443_only(workers, address):
    """A public address is open at 443 and at no other port."""
    for spec in workers:
        assert allows(spec, address, 443)
        assert not allows(spec, address, 80)
        assert not allows(spec, address, 6443)
        assert not allows(spec, address, 443, "UDP")


@pytest.mark.parametrize("address", FORBIDDEN)
def test_private_and_metadata_addresses_can_not(workers, address):
    """Private, loopback, link-local, metadata, documentation, embedded and multicast addresses are closed."""
    for spec in workers:
        assert not allows(spec, address, 443)


@pytest.mark.parametrize("address", [*PUBLIC, *FORBIDDEN])
def test_policy_and_program_agree(workers, address):
    """The program's own egress rules and the policy say the same about every address."""
    ip = ipaddress.ip_address(address)
    if ip.version == 6 and ip.ipv4_mapped:
        ip = ip.ipv4_mapped  # the kernel connects over IPv4, and that is what a network plugin sees
    assert allows(workers[0], str(ip), 443) == (EgressNetworks().why_not(ip) is None)


def test_policy_names_what_the_program_names(workers):
    """The exceptions are the program's table, less what lies outside of the blocks or within another exception."""
    blocks = [peer["ipBlock"] for peer in workers[0]["egress"][2]["to"]]
    excepted = {ipaddress.ip_network(part) for block in blocks for part in block["except"]}
    wholes = [ipaddress.ip_network(block["cidr"]) for block in blocks]

    def inside(part, others):
        return any(part.version == o.version and part != o and part.subnet_of(o) for o in others)

    table = {network for network, _ in _NOT_PUBLIC if inside(network, wholes)}
    assert excepted == {network for network in table if not inside(network, table)}


def test_exceptions_lie_within_their_block(rendered, case):
    """Every exception is a strict part of its block, as the API server demands, and none is named twice."""
    check_exceptions(rendered(case))


def check_exceptions(objects):
    """Fail on one that the API server would refuse, or that is named twice."""
    for item in objects:
        if item["kind"] != "NetworkPolicy":
            continue
        for rule in item["spec"].get("egress", []):
            for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
                whole = ipaddress.ip_network(block["cidr"])
                parts = [ipaddress.ip_network(part) for part in block.get("except", [])]
                for part in parts:
                    assert part.version == whole.version
                    assert part.subnet_of(whole)  # type: ignore[arg-type]  # of one version
                    assert part != whole
                assert not [a for a, b in itertools.combinations(parts, 2) if a.overlaps(b)]


def test_values_open_and_close(rendered):
    """`egressAllow` opens a private range, `deniedCidrs` and `egressDeny` close public ones, `partners.ports` adds a port."""
    spec = policy(rendered("full"), "main")
    assert allows(spec, "10.20.3.4", 443)
    assert allows(spec, "fd00:1::1", 8443)
    assert not allows(spec, "10.21.0.1", 443)
    assert not allows(spec, "198.20.0.1", 443)
    assert not allows(spec, "2600:1f00::1", 443)
    assert not allows(spec, "47.88.1.1", 443)
    assert allows(spec, "8.8.8.8", 8443)
    assert allows(spec, "10.9.9.9", 4317)


def test_partners_can_be_pinned(rendered):
    """With `allowedCidrs` nothing else that is public can be called."""
    spec = policy(rendered("scram"), "main")
    assert allows(spec, "47.88.1.1", 443)
    assert allows(spec, "2400:3200::1", 443)
    assert not allows(spec, "8.8.8.8", 443)
    assert not allows(spec, "2606:4700::1111", 443)


def test_brokers_are_reached_at_their_ports(rendered):
    """Kafka is open at the ports of the bootstrap servers, or at those that the values name."""
    kafka = policy(rendered("full"), "main")["egress"][1]
    assert [entry["port"] for entry in kafka["ports"]] == [9093, 9094]
    spec = policy(rendered("scram"), "main")
    assert allows(spec, "10.1.2.9", 9192)
    assert not allows(spec, "10.1.3.9", 9192)


@pytest.mark.parametrize("component", ["console", "check", "topics"])
def test_only_workers_can_call_partners(helm, component):
    """The console, the topics Job and the check reach Kafka and DNS and nothing public."""
    objects = helm.objects(
        "full",
        {"topics": {"job": {"enabled": True}, "strimzi": {"enabled": False}}},
    )
    spec = policy(objects, component)
    assert not any(allows(spec, address, port) for address in PUBLIC for port in (80, 443, 8443))
    assert len(spec["egress"]) >= 2


def test_only_the_named_may_come_in(rendered):
    """Monitoring reaches the metrics port, the ingress controller the console; nobody reaches the Job and the check."""
    objects = rendered("full")
    (scrape,) = policy(objects, "main")["ingress"]
    assert scrape["ports"] == [{"protocol": "TCP", "port": "web"}]
    assert scrape["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    assert [rule["ports"] for rule in policy(objects, "console")["ingress"]] == [
        [{"protocol": "TCP", "port": "metrics"}],
        [{"protocol": "TCP", "port": "console"}],
    ]
    assert policy(objects, "check")["ingress"] == []


def test_every_pod_is_under_a_policy(rendered, case):
    """Where policies are made, every pod of the chart has one."""
    objects = rendered(case)
    covered = {
        o["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for o in objects
        if o["kind"] == "NetworkPolicy"
    }
    pods = {
        o["metadata"]["labels"]["app.kubernetes.io/component"]
        for o in objects
        if o["kind"] in {"Deployment", "Job", "Pod"}
    }
    assert covered in (set(), pods)
    assert bool(covered) == (case != "single-role")


def test_resolvers_have_their_ports_and_a_cache_on_the_node(rendered, case):
    """Every pod reaches the resolvers at the ports of the values, and unless told otherwise the cache on its node."""
    for item in rendered(case):
        if item["kind"] != "NetworkPolicy":
            continue
        port = 5353 if case == "platform" else 53
        dns = item["spec"]["egress"][0]
        assert {(p["protocol"], p["port"]) for p in dns["ports"]} == {("UDP", port), ("TCP", port)}
        assert allows(item["spec"], "169.254.20.10", 53, "UDP") == (case != "platform")
        assert not allows(item["spec"], "169.254.169.254", 53, "UDP")


def test_an_exception_outside_of_its_block_is_left_out(rendered):
    """A unique local range needs no exception from global unicast, and the API server would refuse it."""
    spec = policy(rendered("platform"), "main")
    assert not allows(spec, "fd00::1", 443)
    assert not allows(spec, "2600:1f00::1", 443)
    assert "fd00::/8" not in str(spec)


def test_the_ingress_reaches_the_console(rendered, named):
    """With an Ingress and policies together, the ingress controller's namespace may come in at the port that the Service leads to."""
    for case in ("full", "platform"):
        (port,) = named(rendered(case), "Service", "-console")["spec"]["ports"]
        rules = policy(rendered(case), "console")["ingress"]
        assert {"protocol": "TCP", "port": port["targetPort"]} in rules[1]["ports"]
        assert "ingress" in str(rules[1]["from"])


def test_a_roles_own_settings_open_and_close_its_own_policy(helm):
    """What a role has of its own goes before `settings`, for its program and its policy alike."""
    objects = helm.objects(
        "minimal",
        {
            "settings": {"egressAllow": ["10.1.0.0/16"], "egressDeny": ["47.88.0.0/16"]},
            "workers": {
                "main": {"settings": {"egressAllow": ["10.2.0.0/16", "fd00:2::/64"]}},
                "retry": {"settings": {"egressAllow": [], "egressDeny": ["8.8.8.0/24"]}},
            },
        },
    )
    main, retry = policy(objects, "main"), policy(objects, "retry")
    addresses = ("10.1.0.1", "10.2.0.1", "fd00:2::1", "47.88.1.1", "8.8.8.8")
    assert [allows(main, address, 443) for address in addresses] == [False, True, True, False, True]
    assert [allows(retry, address, 443) for address in addresses] == [False] * 3 + [True, False]


ALLOWED = ["47.88.0.0/14", "198.20.7.0/24", "2400:3200::/32", "2600:1f00:0:aa::/64"]


@pytest.mark.parametrize(
    ("denied", "closed"),
    [
        (["47.89.0.0/16"], {"47.89.1.1"}),
        (["47.88.0.0/14"], {"47.88.1.1", "47.89.1.1"}),
        (["47.0.0.0/8"], {"47.88.1.1", "47.89.1.1"}),
        (["198.20.7.9/32", "8.8.8.0/24"], {"198.20.7.9"}),
        (["2400:3200:1::/48"], {"2400:3200:1::1"}),
        (["2600:1F00::/24"], {"2600:1f00:0:aa::1"}),
        (["2600:1f00:0:aa:0:0:0:1/128"], {"2600:1f00:0:aa::1"}),
        (["fd00::/8"], set()),
    ],
)
@pytest.mark.parametrize("place", ["deniedCidrs", "egressDeny"])
def test_what_is_denied_is_taken_out_of_what_is_allowed(helm, place, denied, closed):
    """An exception names what lies within a block; a block that lies within what is denied goes as a whole."""
    values = {"networkPolicy": {"partners": {"allowedCidrs": ALLOWED}}}
    if place == "deniedCidrs":
        values["networkPolicy"]["partners"]["deniedCidrs"] = denied
    else:
        values["settings"] = {"egressDeny": denied}
    objects = helm.objects("minimal", values)
    addresses = {"47.88.1.1", "47.89.1.1", "198.20.7.9", "2400:3200::1", "2400:3200:1::1"}
    addresses |= {"2600:1f00:0:aa::1"}
    found = {address for address in addresses if not allows(policy(objects, "main"), address, 443)}
    assert found == closed
    check_exceptions(objects)


def test_where_all_is_denied_nobody_can_be_called(helm):
    """A rule without peers would open everything."""
    partners = {"allowedCidrs": ["47.88.0.0/14"], "deniedCidrs": ["47.0.0.0/8"]}
    spec = policy(helm.objects("minimal", {"networkPolicy": {"partners": partners}}), "main")
    assert all(rule["to"] for rule in spec["egress"])
    assert not any(allows(spec, address, 443) for address in [*PUBLIC, *FORBIDDEN])


def test_denied_addresses_win_over_allowed_private_ones(helm):
    """As in the program: `egressDeny` goes before `egressAllow`."""
    settings = {"egressAllow": ["10.20.0.0/16"], "egressDeny": ["10.20.7.0/24"]}
    spec = policy(helm.objects("minimal", {"settings": settings}), "main")
    assert allows(spec, "10.20.8.1", 443)
    assert not allows(spec, "10.20.7.1", 443)
