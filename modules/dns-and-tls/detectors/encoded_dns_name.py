# SPDX-License-Identifier: Apache-2.0
"""A name was asked for that carries data instead of naming something."""

from innerwarden.sdk import Detector, DetectorSpec, Event, Finding, Severity

spec = DetectorSpec(
    id="encoded_dns_name",
    title="DNS query whose name carries data",
    severity=Severity.MEDIUM,
    kinds=("network.dns",),
    group_key=("ppid", "parent_start_ns"),
    cooldown_s=300,
    attack=("T1071.004", "T1048.003", "T1572"),
    summary="{exe_path} ({user_name}) asked {dst_ip} for a name that looks like encoded data: {dns_query}.",
    checks=(
        "See who runs the domain at the end of the name, and whether this machine has asked for it before",
        "See what the program is and who started it: ls -l /proc/{pid}/exe; the process tree of this incident",
    ),
    entities=("process:pid",),
    blind_spots=(
        "Data cut into labels of fewer than 52 characters in names below 180, and data made to look like words",
        "Names asked for over TLS or HTTPS, or through a local resolver that is asked otherwise than by DNS",
        "Queries over a TCP connection behind its first 4 KiB",
    ),
    false_positives=(
        "Content addresses (IPFS) and onion or I2P names that leak into DNS",
        "Security products that look file hashes up in DNS",
    ),
    tags=("attack.command-and-control", "attack.exfiltration"),
    maturity="test",
)

#: 52 characters of base32 are 32 bytes. Tunnels fill labels (63 at most, RFC 1035 2.3.4); people do not.
LABEL_BYTES = 52
#: Reverse names of IPv6 addresses have 72 characters, names of content networks hardly 120.
NAME_BYTES = 180
prefilter = """
selection:
  dns_query: '????????????????????????????????????????????????????*'
resolvers:
  exe_path:
    - /usr/lib/systemd/systemd-resolved
    - /lib/systemd/systemd-resolved
    - /usr/sbin/dnsmasq
    - /usr/sbin/unbound
    - /usr/sbin/named
    - /usr/sbin/kresd
    - /usr/sbin/pdns_recursor
condition: selection and not resolvers
"""


def is_encoded(label: str) -> bool:
    """Base32, base64 or hexadecimal: one run of letters and digits mixed. Words joined by hyphens are not."""
    plain = label.replace("-", "").replace("_", "")
    joints = len(label) - len(plain)
    digits = sum(character.isdigit() for character in plain)
    return joints <= 2 and digits >= 3 and all(c.isalnum() or c in "+/=" for c in plain)


class EncodedDnsName(Detector):
    def process(self, event: Event) -> Finding | None:
        name = str(event.field("dns_query"))
        long_label = any(len(one) >= LABEL_BYTES and is_encoded(one) for one in name.split("."))
        return Finding() if long_label or len(name) >= NAME_BYTES else None
